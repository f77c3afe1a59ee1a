/**
 * One Postgres session shared by many clients. PGlite runs in single-user mode: there is one session, and every
 * statement blocks the thread while it runs. This file queues the clients' requests.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type PGlite, protocol } from '@electric-sql/pglite';
import type { Log } from '../../runtime/log.ts';
import {
  type BackendResponse,
  errorResponse,
  parseResponse,
  type QueryRequest,
  readyForQuery,
  statementOf,
} from './protocol.ts';
import { createStatementCache } from './statement-cache.ts';

/** One client, as the session sees it. */
export interface SessionClient {
  deliver(bytes: Buffer): void;
}

export interface SessionPool {
  /** Queues a request. Its response is delivered to the client. */
  submit(client: SessionClient, request: QueryRequest): void;
  /** Called when the client returns to its pool: rolls back a transaction that it left open. */
  release(client: SessionClient): void;
  /** Called when the client is closed: drops its queued requests, its open transaction and its LISTENs. */
  leave(client: SessionClient): void;
  /** Resolves when everything submitted so far is done; with false where the database has crashed. */
  drain(): Promise<boolean>;
}

/**
 * How long requests run before the event loop gets a turn. With 1,500 adds the p99 loop delay is 9 ms; without turns the
 * adds starve timers and HTTP for 5 s.
 */
const TIME_SLICE_MS = 4;
/** Refused: inside the one call the rows cannot be sent, and Postgres would end the program. */
const COPY_IN = /(?:^|;)\s*COPY\b[^;]*\bFROM\s+STDIN\b/i;
const CRASHED = 'the embedded database has crashed: restart the program';
/** The error of a cached plan whose table has new columns. */
const STALE_PLAN = 'cached plan must not change result type';
const LISTENING = /(?:^|;)\s*(LISTEN|UNLISTEN)\s+("(?:[^"]|"")+"|\w+|\*)/gi;

export function createSessionPool(
  db: Pick<PGlite, 'execProtocolRawStream'>,
  options: {
    log: Pick<Log, 'warn' | 'error'>;
    /** A transaction that is idle for so long is rolled back, because all other clients wait for it. */
    idleInTransactionMs: number;
    /** Called before every statement outside a transaction; where true, Postgres refuses writes. */
    isReadOnly: () => boolean;
  },
): SessionPool {
  const queue: { client: SessionClient; run: () => Promise<void> }[] = [];
  const channels = new Map<SessionClient, Set<string>>();
  /** Clients whose idle transaction was rolled back, until they have received the error. */
  const expired = new WeakSet<SessionClient>();
  /** The client inside a transaction, which has the session alone. */
  let owner: SessionClient | undefined;
  let idleTimer: NodeJS.Timeout | undefined;
  let readOnly = false;
  let isRunning = false;
  /** Set once the WASM program has ended: another call into it would never return. */
  let hasCrashed = false;

  async function execute(request: QueryRequest): Promise<BackendResponse> {
    const chunks: Buffer[] = [];
    // The streaming call, because the plain one also parses every response and never frees the result.
    await db.execProtocolRawStream(request, {
      syncToFs: false,
      onRawData: (bytes) => chunks.push(Buffer.from(bytes)),
    });
    const response = parseResponse(Buffer.concat(chunks));
    if (response.ended) throw new Error(response.bytes.toString('latin1').replaceAll('\0', ' '));
    for (const { channel, bytes } of response.notifications) {
      for (const [client, subscribed] of channels) if (subscribed.has(channel)) client.deliver(bytes);
    }
    return response;
  }
  const statementCache = createStatementCache();
  async function executeCached(request: QueryRequest): Promise<BackendResponse> {
    const cached = statementCache.use(request);
    const result = await execute(cached.request);
    cached.end(result.failed);
    // Such a statement was refused before it did anything. Inside a transaction it cannot be repeated.
    const isStale = result.failed && cached.isCached && !owner && result.bytes.includes(STALE_PLAN);
    return isStale ? execute(request) : result;
  }
  const runSql = (sql: string) => execute(Buffer.from(protocol.serialize.query(sql)));

  async function rollBack(client: SessionClient): Promise<void> {
    if (owner !== client) return;
    clearTimeout(idleTimer);
    owner = undefined;
    if (hasCrashed) return;
    await runSql('ROLLBACK');
  }

  const status = (client: SessionClient) => (expired.has(client) ? 'E' : owner === client ? 'T' : 'I');
  const refusal = (code: string, message: string, client?: SessionClient) =>
    Buffer.concat([errorResponse(code, message), readyForQuery(client ? status(client) : 'I')]);

  async function handle(client: SessionClient, request: QueryRequest): Promise<void> {
    const statement = statementOf(request);
    if (hasCrashed) return client.deliver(refusal('XX000', CRASHED));
    if (COPY_IN.test(statement)) {
      return client.deliver(refusal('0A000', 'the embedded database has no COPY FROM STDIN', client));
    }
    if (expired.has(client) && !/^rollback\b/i.test(statement)) {
      // COMMIT must fail as well, since nothing was committed.
      if (/^(commit|end)\b/i.test(statement)) expired.delete(client);
      return client.deliver(
        refusal('25P03', 'the transaction was idle for too long and was rolled back', client),
      );
    }
    expired.delete(client);
    clearTimeout(idleTimer);
    if (!owner && options.isReadOnly() !== readOnly) {
      readOnly = !readOnly;
      await runSql(`SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`);
    }
    const result = await executeCached(request);
    owner = result.status === 'I' ? undefined : client;
    if (owner) idleTimer = setTimeout(expire, options.idleInTransactionMs, owner);
    if (!result.failed) await trackListens(client, statement);
    client.deliver(result.bytes);
  }

  /** Records the channels of each client: the session itself receives the notifications of all. */
  async function trackListens(client: SessionClient, statement: string): Promise<void> {
    for (const [, verb, name] of statement.matchAll(LISTENING)) {
      const quoted = name!.startsWith('"');
      const channel = quoted ? name!.slice(1, -1).replaceAll('""', '"') : name!.toLowerCase();
      const subscribed = channels.get(client) ?? new Set();
      channels.set(client, subscribed);
      if (verb!.toUpperCase() === 'LISTEN') {
        subscribed.add(channel);
        continue;
      }
      if (channel === '*') subscribed.clear();
      else subscribed.delete(channel);
      // UNLISTEN concerns the one session: the channels of the other clients are subscribed again.
      for (const others of channels.values())
        for (const other of others) await runSql(`LISTEN "${other.replaceAll('"', '""')}"`);
    }
  }

  function expire(client: SessionClient): void {
    options.log.warn(
      { idleMs: options.idleInTransactionMs },
      'embedded-database: idle transaction rolled back',
    );
    const run = async () => {
      await rollBack(client);
      expired.add(client);
    };
    // Before the requests that the client has just sent, which are to fail.
    queue.unshift({ client, run });
    startQueue();
  }

  function enqueue(client: SessionClient, run: () => Promise<void>): void {
    queue.push({ client, run });
    startQueue();
  }

  function startQueue(): void {
    if (!isRunning) void runQueue();
  }

  async function runQueue(): Promise<void> {
    isRunning = true;
    while (true) {
      // Before the first request as well: a caller that awaits one statement after the other would starve the loop.
      await nextTurn();
      const until = performance.now() + TIME_SLICE_MS;
      do {
        const index = queue.findIndex(({ client }) => !owner || client === owner);
        if (index < 0) {
          isRunning = false;
          return;
        }
        const { client, run } = queue.splice(index, 1)[0]!;
        await run().catch((error: unknown) => {
          hasCrashed = true;
          owner = undefined;
          clearTimeout(idleTimer);
          options.log.error({ err: error }, 'embedded-database: crashed, restart the program');
          client.deliver(refusal('XX000', CRASHED));
        });
      } while (performance.now() < until);
    }
  }

  const release = (client: SessionClient) => {
    // After most releases there is nothing to do.
    if (owner !== client && !expired.has(client) && !queue.some((queued) => queued.client === client)) return;
    enqueue(client, async () => {
      await rollBack(client);
      expired.delete(client);
    });
  };

  return {
    submit: (client, request) => enqueue(client, () => handle(client, request)),
    release,
    leave: (client) => {
      channels.delete(client);
      for (let i = queue.length - 1; i >= 0; i--) if (queue[i]!.client === client) queue.splice(i, 1);
      release(client);
    },
    drain: async () => {
      if (!hasCrashed) await new Promise<void>((done) => enqueue({ deliver: () => {} }, async () => done()));
      return !hasCrashed;
    },
  };
}
