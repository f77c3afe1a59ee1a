/**
 * What node-postgres takes for its socket. Everything a client says or hears – parameters, rows, types, errors,
 * timeouts – stays node-postgres' own code; only the server at the far end is in this process.
 */
import { Duplex } from 'node:stream';
import { authenticationOk } from './protocol.ts';
import type { SessionClient, SessionPool } from './session-pool.ts';

const QUERY = 0x51;
const SYNC = 0x53;
const TERMINATE = 0x58;
/** Bind, Close, Describe, Execute, Parse. Cursors (Flush) and COPY need a connection of their own. */
const PARTS = new Set([0x42, 0x43, 0x44, 0x45, 0x50]);

export class PgSocket extends Duplex implements SessionClient {
  readonly #session: SessionPool;
  #incoming: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #greeted = false;
  #ended = false;

  constructor(session: SessionPool) {
    super();
    this.#session = session;
  }

  deliver(bytes: Buffer): void {
    // A listener that throws must hit the process like any other, not the session's loop.
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

  /** Takes one whole message off what came in; false when there is none yet. */
  #takeMessage(): boolean {
    const head = this.#greeted ? 1 : 0; // the startup message has no type
    if (this.#incoming.length < head + 4) return false;
    const size = head + this.#incoming.readInt32BE(head);
    if (this.#incoming.length < size) return false;
    const message = this.#incoming.subarray(0, size);
    this.#incoming = this.#incoming.subarray(size);

    const type = message[0]!;
    if (!this.#greeted) {
      this.#greeted = true;
      this.deliver(authenticationOk());
    } else if (type === QUERY || type === SYNC) {
      this.#session.submit(this, Buffer.concat([...this.#parts, message]));
      this.#parts = [];
    } else if (PARTS.has(type)) {
      this.#parts.push(message);
    } else if (type !== TERMINATE) {
      throw new Error('the embedded database knows neither cursors nor COPY');
    }
    return true;
  }

  // What node-postgres asks of a socket beside the stream.
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
