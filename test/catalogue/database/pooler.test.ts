/** Behind PgBouncer, in transaction mode where it can be. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { startFailureOf } from '../../../src/app/run.ts';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import {
  createDatabase,
  type Database,
  DatabaseUnavailableError,
} from '../../../src/catalogue/database/database.ts';
import { migrate } from '../../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { requireUsableDatabase } from '../../../src/catalogue/database/requirements.ts';
import { openArchiveQueue } from '../../../src/queue/queue.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createPgbouncer, type Pooler } from '../../machine/pgbouncer.ts';
import { onPostgres } from '../../machine/postgres.ts';
import { missing, postgresForTest, programForTest } from '../../machine/services.ts';
import { lifetimes, SCHEMA } from '../backends.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const ACCOUNT = 'wx0123456789abcdef';

interface Ground {
  readonly pooler: Pooler;
  /** The same database without the pooler. */
  readonly direct: string;
}

async function lay(
  t: TestContext,
  mode: 'transaction' | 'session' = 'transaction',
  settings: readonly string[] = [],
): Promise<Ground | undefined> {
  const via = programForTest(t, 'pgbouncer');
  const direct = via && (await postgresForTest(t));
  if (!via || !direct) return undefined;
  const folder = await mkdtemp(join(process.env.TEST_FOLDER ?? tmpdir(), 'pooler-'));
  const pooler = await createPgbouncer({ via, folder, upstream: direct, mode, settings });
  t.after(async () => {
    await pooler.kill(); // its orderly end waits for the clients'
    await rm(folder, { recursive: true, force: true });
  });
  await pooler.start();
  return { pooler, direct };
}

function open(t: TestContext, url: string, use: 'catalogue' | 'queue' = 'catalogue') {
  const searchPath = use === 'queue' ? 'bullmq' : SCHEMA;
  const pool = createPostgresPool({ url, searchPath, maxConnections: 10, log, use });
  t.after(() => pool.end());
  return { pool, database: createDatabase(pool) };
}

/** What a start says of this database: exit code and last words. */
async function refusalAt(database: Database): Promise<{ exitCode: number; text: string }> {
  const error = await requireUsableDatabase(database).then(
    () => assert.fail('it is usable'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DatabaseUnavailableError && error.refusal, String(error));
  return startFailureOf('test', error);
}

describe('behind PgBouncer', { skip: missing.postgres }, () => {
  test('the catalogue works behind PgBouncer in transaction mode and leaves no setting to other clients', async (t) => {
    const ground = await lay(t);
    if (!ground) return;
    const { pooler, direct } = ground;
    const name = new URL(direct).pathname.slice(1);
    await onPostgres(direct, `ALTER DATABASE ${name} SET DateStyle = 'SQL, DMY'`);
    const settings = ['statement_timeout', 'search_path', 'lock_timeout', 'DateStyle'];
    const show = async () => {
      const asked = settings.map((one) => `current_setting('${one}') AS "${one}"`).join(', ');
      return (await onPostgres(pooler.url, `SELECT ${asked}`)).rows[0];
    };
    const before = await show();
    const { database } = open(t, pooler.url);
    await requireUsableDatabase(database);
    await migrate(database, SCHEMA, new Date());
    const catalogue = createCatalogue(database, SCHEMA, lifetimes);
    await catalogue.accounts.ensure([ACCOUNT]);
    const sentAt = new Date(Date.UTC(2026, 2, 4, 5, 6, 7));
    const ids = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const one = { account: ACCOUNT, mediaId: `pooled-${index}`, kind: 'image' as const, sentAt };
        const [accepted] = await catalogue.media.insert([one], sentAt, true);
        return accepted!.id;
      }),
    );
    // More connections at once than the pooler has to the server.
    const rows = await Promise.all(ids.map((id) => catalogue.media.get(id)));
    assert.ok(rows.every((row) => row?.sentAt?.getTime() === sentAt.getTime()));
    assert.deepEqual(await show(), before);
  });

  test('a setting that cannot be changed behind PgBouncer is refused with the statement that changes it', async (t) => {
    const ground = await lay(t);
    if (!ground) return;
    const name = new URL(ground.direct).pathname.slice(1);
    const isolation = "default_transaction_isolation = 'serializable'";
    await ground.pooler.kill(); // its connections have the setting of before
    await onPostgres(ground.direct, `ALTER DATABASE ${name} SET ${isolation}`);
    await ground.pooler.start();
    const error = await requireUsableDatabase(open(t, ground.pooler.url).database).catch((reason) => reason);
    const { exitCode, text } = startFailureOf('test', error);
    assert.equal(exitCode, 78);
    assert.match(text, /ALTER ROLE postgres SET default_transaction_isolation = 'read committed'/);
  });

  test('a startup parameter that PgBouncer refuses is a configuration error, and the start does not wait', async (t) => {
    const ground = await lay(t);
    if (!ground) return;
    for (const parameter of ['statement_timeout=5000', 'options=-c%20jit%3Doff', 'lock_timeout=5000']) {
      const { database } = open(t, `${ground.pooler.url}?${parameter}`);
      const { exitCode, text } = await refusalAt(database);
      assert.equal(exitCode, 78);
      assert.match(text, new RegExp(`unsupported startup parameter: ${parameter.split('=')[0]}`));
      assert.match(
        text,
        /Take that parameter out of DATABASE_URL .* ignore_startup_parameters in pgbouncer\.ini/,
      );
    }
  });

  test('a user or database that PgBouncer does not know is a configuration error', async (t) => {
    const ground = await lay(t);
    if (!ground) return;
    const { pooler } = ground;
    const wrong = (change: (url: URL) => void) => {
      const url = new URL(pooler.url);
      change(url);
      return open(t, url.href).database;
    };
    const user = await refusalAt(wrong((url) => Object.assign(url, { username: 'unknown-user' })));
    assert.deepEqual([user.exitCode, /Correct the user/.test(user.text)], [78, true], user.text);
    const database = await refusalAt(wrong((url) => Object.assign(url, { pathname: '/not-there' })));
    assert.deepEqual(
      [database.exitCode, /Create that database/.test(database.text)],
      [78, true],
      database.text,
    );
  });

  test('the queue in Postgres is refused behind PgBouncer in transaction mode and works in session mode', async (t) => {
    const transaction = await lay(t);
    if (!transaction) return;
    const { pool } = open(t, transaction.pooler.url, 'queue');
    await assert.rejects(openArchiveQueue({ kind: 'postgres', pool, prefix: '{wma}' }, { log }), {
      exitCode: 78,
      message: /pooler in transaction mode.*Set REDIS_URL/,
    });
    const session = await lay(t, 'session', ['default_pool_size = 20']);
    if (!session) return;
    const opened = open(t, session.pooler.url, 'queue');
    const queue = await openArchiveQueue({ kind: 'postgres', pool: opened.pool, prefix: '{wma}' }, { log });
    t.after(() => queue.close());
    const sentAt = new Date();
    await queue.add([
      { id: 'm_1', generation: 1, reference: { account: ACCOUNT, mediaId: 'x', kind: 'image', sentAt } },
    ]);
    assert.equal((await queue.counts()).waiting, 1);
  });
});
