/**
 * One Postgres session shared by many clients. PGlite runs in single-user mode: there is one session, and every
 * statement blocks the thread while it runs. This file decides whose turn it is.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type PGlite, protocol } from '@electric-sql/pglite';
import type { Log } from '../../runtime/log.ts';
import {
  errorResponse,
  parseResponse,
  type QueryRequest,
  type Response,
  readyForQuery,
  statementOf,
} from './protocol.ts';
import { createStatementCache } from './statement-cache.ts';

/** One client, as the session sees it. */
export interface SessionClient {
  deliver(bytes: Buffer): void;
}

export interface SessionPool {
  /** Runs a unit when it is its turn and delivers the answer to the peer. */
  submit(peer: SessionClient, unit: QueryRequest): void;
  /** The peer is given back to its pool: a transaction it left open is rolled back. */
  release(peer: SessionClient): void;
  /** The peer is gone: its waiting units, its open transaction and its LISTENs go with it. */
  leave(peer: SessionClient): void;
  /** Resolves when everything submitted so far is done; false when the database has broken off. */
  drain(): Promise<boolean>;
}

/** With this, 1,500 adds leave a p99 loop delay of 9 ms; without any turn they starve timers and HTTP for 5 s. */
const TIME_SLICE_MS = 4;
/** Postgres would wait for rows inside the call that nobody can send it, and give up by ending the program. */
const COPY_IN = /(?:^|;)\s*COPY\b[^;]*\bFROM\s+STDIN\b/i;
const BROKEN = 'the embedded database broke off: restart the program';
/** A table's columns have changed since. */
const STALE_PLAN = 'cached plan must not change result type';
const LISTENING = /(?:^|;)\s*(LISTEN|UNLISTEN)\s+("(?:[^"]|"")+"|\w+|\*)/gi;

export function createSessionPool(
  db: Pick<PGlite, 'execProtocolRawStream'>,
  options: {
    log: Pick<Log, 'warn' | 'error'>;
    /** A transaction whose client says nothing for so long is rolled back, since everybody waits for it. */
    idleInTransactionMs: number;
    /** Asked before every statement outside a transaction; true makes Postgres refuse to write. */
    isReadOnly: () => boolean;
  },
): SessionPool {
  const waiting: { peer: SessionClient; run: () => Promise<void> }[] = [];
  const channels = new Map<SessionClient, Set<string>>();
  /** Peers whose transaction was rolled back behind their back, until they have been told. */
  const expired = new WeakSet<SessionClient>();
  /** Whoever is inside a transaction has the session alone. */
  let owner: SessionClient | undefined;
  let idleTimer: NodeJS.Timeout | undefined;
  let readOnly = false;
  let turning = false;
  /** Once the WASM program has ended, another call spins for ever. */
  let isBroken = false;

  async function execute(unit: QueryRequest): Promise<Response> {
    const chunks: Buffer[] = [];
    // The streaming call, because the plain one also parses every answer and keeps the result for ever.
    await db.execProtocolRawStream(unit, {
      syncToFs: false,
      onRawData: (bytes) => chunks.push(Buffer.from(bytes)),
    });
    const answer = parseResponse(Buffer.concat(chunks));
    if (answer.ended) throw new Error(answer.bytes.toString('latin1').replaceAll('\0', ' '));
    for (const { channel, bytes } of answer.notifications) {
      for (const [peer, heard] of channels) if (heard.has(channel)) peer.deliver(bytes);
    }
    return answer;
  }
  const plans = createStatementCache();
  async function executePlanned(unit: QueryRequest): Promise<Response> {
    const planned = plans.use(unit);
    const result = await execute(planned.request);
    planned.end(result.failed);
    // Refused before anything was done; inside a transaction there is no saying it again.
    const isStale = result.failed && planned.isCached && !owner && result.bytes.includes(STALE_PLAN);
    return isStale ? execute(unit) : result;
  }
  const say = (sql: string) => execute(Buffer.from(protocol.serialize.query(sql)));

  async function rollBack(peer: SessionClient): Promise<void> {
    if (owner !== peer) return;
    clearTimeout(idleTimer);
    owner = undefined;
    if (isBroken) return;
    await say('ROLLBACK');
  }

  const status = (peer: SessionClient) => (expired.has(peer) ? 'E' : owner === peer ? 'T' : 'I');
  const refusal = (code: string, message: string, peer?: SessionClient) =>
    Buffer.concat([errorResponse(code, message), readyForQuery(peer ? status(peer) : 'I')]);

  async function answer(peer: SessionClient, unit: QueryRequest): Promise<void> {
    const statement = statementOf(unit);
    if (isBroken) return peer.deliver(refusal('XX000', BROKEN));
    if (COPY_IN.test(statement)) {
      return peer.deliver(refusal('0A000', 'the embedded database has no COPY FROM STDIN', peer));
    }
    if (expired.has(peer) && !/^rollback\b/i.test(statement)) {
      // COMMIT above all must not look as if it had worked.
      if (/^(commit|end)\b/i.test(statement)) expired.delete(peer);
      return peer.deliver(
        refusal('25P03', 'the transaction was idle for too long and was rolled back', peer),
      );
    }
    expired.delete(peer);
    clearTimeout(idleTimer);
    if (!owner && options.isReadOnly() !== readOnly) {
      readOnly = !readOnly;
      await say(`SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`);
    }
    const result = await executePlanned(unit);
    owner = result.status === 'I' ? undefined : peer;
    if (owner) idleTimer = setTimeout(expire, options.idleInTransactionMs, owner);
    if (!result.failed) await noteChannels(peer, statement);
    peer.deliver(result.bytes);
  }

  /** The session hears for all: who listens to what is kept here. */
  async function noteChannels(peer: SessionClient, statement: string): Promise<void> {
    for (const [, verb, name] of statement.matchAll(LISTENING)) {
      const quoted = name!.startsWith('"');
      const channel = quoted ? name!.slice(1, -1).replaceAll('""', '"') : name!.toLowerCase();
      const heard = channels.get(peer) ?? new Set();
      channels.set(peer, heard);
      if (verb!.toUpperCase() === 'LISTEN') {
        heard.add(channel);
        continue;
      }
      if (channel === '*') heard.clear();
      else heard.delete(channel);
      // UNLISTEN deafened the one session; the others still want to hear.
      for (const others of channels.values())
        for (const other of others) await say(`LISTEN "${other.replaceAll('"', '""')}"`);
    }
  }

  function expire(peer: SessionClient): void {
    options.log.warn(
      { idleMs: options.idleInTransactionMs },
      'a transaction stood idle for too long and was rolled back',
    );
    const run = async () => {
      await rollBack(peer);
      expired.add(peer);
    };
    // Before whatever the peer has just sent: it must learn that its transaction is gone.
    waiting.unshift({ peer, run });
    wake();
  }

  function enqueue(peer: SessionClient, run: () => Promise<void>): void {
    waiting.push({ peer, run });
    wake();
  }

  function wake(): void {
    if (!turning) void takeTurns();
  }

  async function takeTurns(): Promise<void> {
    turning = true;
    while (true) {
      // Also before the first: callers that await one statement after the other would else never let the loop turn.
      await nextTurn();
      const until = performance.now() + TIME_SLICE_MS;
      do {
        const index = waiting.findIndex(({ peer }) => !owner || peer === owner);
        if (index < 0) {
          turning = false;
          return;
        }
        const { peer, run } = waiting.splice(index, 1)[0]!;
        await run().catch((error: unknown) => {
          isBroken = true;
          owner = undefined;
          clearTimeout(idleTimer);
          options.log.error({ err: error }, BROKEN);
          peer.deliver(refusal('XX000', BROKEN));
        });
      } while (performance.now() < until);
    }
  }

  const release = (peer: SessionClient) => {
    // Most releases leave nothing behind, and need no turn.
    if (owner !== peer && !expired.has(peer) && !waiting.some((work) => work.peer === peer)) return;
    enqueue(peer, async () => {
      await rollBack(peer);
      expired.delete(peer);
    });
  };

  return {
    submit: (peer, unit) => enqueue(peer, () => answer(peer, unit)),
    release,
    leave: (peer) => {
      channels.delete(peer);
      for (let i = waiting.length - 1; i >= 0; i--) if (waiting[i]!.peer === peer) waiting.splice(i, 1);
      release(peer);
    },
    drain: async () => {
      if (!isBroken) await new Promise<void>((done) => enqueue({ deliver: () => {} }, async () => done()));
      return !isBroken;
    },
  };
}
