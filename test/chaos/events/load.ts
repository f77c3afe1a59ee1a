/**
 * Makes the events, through the doors that users have: `archive()` in SQL as producers call it, callbacks of WeChat, and
 * erasures, redrives and holds over the API. What fails because a part is down is done again until it succeeds.
 */
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { Fixture } from '../fixture.ts';
import { createSender } from '../sender.ts';
import type { Batch, EventScript, Hold } from './plan.ts';

const SCHEMA = 'wma';
const CONNECTIONS = 8;
const REQUEST_LIMIT_MS = 30_000;
const PAUSE_MS = 500;
/** For a machine that is very slow; a part is down for seconds. */
const GIVE_UP_MS = 300_000;
const REDRIVES_PER_SECOND = 200;

export interface Load {
  /** Resolves when everything has been done. */
  play(startedAt: number): Promise<void>;
  close(): Promise<void>;
}

async function insistently<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const givesUpAt = performance.now() + GIVE_UP_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > givesUpAt) throw new Error(`${what} failed for too long`, { cause: error });
      await wait(PAUSE_MS);
    }
  }
}

export function openPool(fixture: Fixture): pg.Pool {
  const pool = new pg.Pool({
    connectionString: fixture.postgres!.url,
    max: CONNECTIONS,
    connectionTimeoutMillis: REQUEST_LIMIT_MS,
    query_timeout: 2 * REQUEST_LIMIT_MS,
  });
  // Postgres is killed on purpose.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** Calls the API as an admin; throws at anything but 2xx. */
export async function callApi<Body>(
  { url, apiKey }: Pick<Fixture, 'url' | 'apiKey'>,
  method: string,
  path: string,
  body?: object,
): Promise<Body> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: status ${response.status} ${text}`);
  return JSON.parse(text) as Body;
}

export function createLoad(fixture: Fixture, script: EventScript): Load {
  const pool = openPool(fixture);
  const sender = createSender(fixture, { lifeMs: script.lifeMs, untilAccepted: true });
  const accountOf = (index: number) => fixture.accounts[index]!.account;

  /** One transaction, which may stay open for a while. After a lost commit the same ids are inserted again, or merged. */
  async function insert({ account, kind, count, openMs }: Batch, name: string): Promise<string[]> {
    const client = await pool.connect();
    let failure: unknown = new Error('not committed');
    try {
      await client.query('BEGIN');
      const { rows } = await client.query<{ id: string }>(
        `SELECT ${SCHEMA}.archive($1, $2 || n, $3) AS id FROM generate_series(1, $4::integer) AS n`,
        [accountOf(account), `${kind === 'file' ? 'msg:' : ''}${name}-`, kind, count],
      );
      if (openMs > 0) await wait(openMs);
      await client.query('COMMIT');
      failure = undefined;
      return rows.map(({ id }) => id);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      client.release(failure !== undefined);
    }
  }

  async function playBatch(batch: Batch, index: number, startedAt: number): Promise<void> {
    await wait(Math.max(0, startedAt + batch.atMs - performance.now()));
    const ids = await insistently('an insert', () => insert(batch, `chaos-${index}`));
    if (!batch.later) return;
    await wait(batch.later.afterMs);
    const account = accountOf(batch.account);
    if (batch.later.what === 'erase')
      await insistently('an erasure', () => callApi(fixture, 'POST', '/v1/erasures', { account, ids }));
    else
      await insistently('a redrive', () =>
        callApi(fixture, 'POST', '/v1/redrives', { filter: { id: ids }, rate: REDRIVES_PER_SECOND }),
      );
  }

  async function playHolds(holds: readonly Hold[], startedAt: number): Promise<void> {
    for (const { atMs, account, forMs } of holds) {
      await wait(Math.max(0, startedAt + atMs - performance.now()));
      const path = `/v1/accounts/${accountOf(account)}/hold`;
      await insistently('a hold', () => callApi(fixture, 'PUT', path, { reason: 'chaos' }));
      await wait(forMs);
      await insistently('a release', () => callApi(fixture, 'DELETE', path));
    }
  }

  return {
    play: async (startedAt) => {
      await Promise.all([
        ...script.batches.map((batch, index) => playBatch(batch, index, startedAt)),
        playHolds(script.holds, startedAt),
        sender.play(script.sendings, startedAt),
      ]);
    },
    close: async () => {
      await sender.close();
      await pool.end();
    },
  };
}
