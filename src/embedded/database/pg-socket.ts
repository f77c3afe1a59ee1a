/**
 * The socket that node-postgres gets for a connection. Parameters, rows, types, errors and timeouts stay node-postgres'
 * own code; only the server at the other end is in this process.
 */
import { Duplex } from 'node:stream';
import { authenticationOk } from './protocol.ts';
import type { SessionClient, SessionPool } from './session-pool.ts';

const QUERY = 0x51;
const SYNC = 0x53;
const TERMINATE = 0x58;
/** Bind, Close, Describe, Execute, Parse. Cursors (Flush) and COPY need a connection of their own. */
const EXTENDED_QUERY = new Set([0x42, 0x43, 0x44, 0x45, 0x50]);

export class PgSocket extends Duplex implements SessionClient {
  readonly #session: SessionPool;
  #incoming: Buffer = Buffer.alloc(0);
  #messages: Buffer[] = [];
  #started = false;
  #ended = false;

  constructor(session: SessionPool) {
    super();
    this.#session = session;
  }

  deliver(bytes: Buffer): void {
    // An error of a listener is then uncaught as with a real socket, and does not reach the session's queue.
    process.nextTick(() => {
      if (!this.#ended && !this.destroyed) this.push(bytes);
    });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#incoming = this.#incoming.length === 0 ? chunk : Buffer.concat([this.#incoming, chunk]);
    try {
      while (this.#takeMessage());
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#ended = true;
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#session.leave(this);
    done(error);
  }

  /** Handles one whole message of the received bytes; returns false where there is none yet. */
  #takeMessage(): boolean {
    const head = this.#started ? 1 : 0; // the startup message has no type
    if (this.#incoming.length < head + 4) return false;
    const size = head + this.#incoming.readInt32BE(head);
    if (this.#incoming.length < size) return false;
    const message = this.#incoming.subarray(0, size);
    this.#incoming = this.#incoming.subarray(size);

    const type = message[0]!;
    if (!this.#started) {
      this.#started = true;
      this.deliver(authenticationOk());
    } else if (type === QUERY || type === SYNC) {
      this.#session.submit(this, Buffer.concat([...this.#messages, message]));
      this.#messages = [];
    } else if (EXTENDED_QUERY.has(type)) {
      this.#messages.push(message);
    } else if (type !== TERMINATE) {
      throw new Error('the embedded database supports neither cursors nor COPY');
    }
    return true;
  }

  // The methods of a socket that node-postgres calls beside those of a stream.
  connect(): this {
    process.nextTick(() => this.emit('connect'));
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
