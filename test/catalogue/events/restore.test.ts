/** The feed goes on when its database is another one: a dump restored into a new server, or a promoted standby. */
import assert from 'node:assert/strict';
import { existsSync, realpathSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../../src/catalogue/database/database.ts';
import { migrate } from '../../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { decodeFeedCursor, encodeFeedCursor } from '../../../src/catalogue/events/cursor.ts';
import { cursorOfEvent } from '../../../src/catalogue/events/read.ts';
import type { Event } from '../../../src/event.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { onPostgres, pingPostgres, unprivileged } from '../../machine/postgres.ts';
import { createTestServer, freePort, run, type TestServer } from '../../machine/server.ts';
import { missing, startPostgres } from '../../machine/services.ts';
import { eventually } from '../../queue/handled.ts';
import { lifetimes, SCHEMA } from '../backends.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const NOW = new Date('2026-05-01T12:00:00Z');
const ACCOUNT_OF = (number: number) => `restored-${number}`;

/** The programs of Postgres beside its server; its path may be a link. */
const server = process.env.TEST_POSTGRES_SERVER ?? '';
const folder = existsSync(server) ? dirname(realpathSync(server)) : '';
const programs = ['pg_dump', 'psql', 'pg_basebackup'].map((name) => join(folder, name));
const absent = programs.find((path) => !existsSync(path));
const skip = missing.postgresServer || (absent ? `no ${absent} here` : false);
const [pgDump, psql, pgBasebackup] = programs as [string, string, string];

/** One that a user may own who is not root. */
async function folderForPostgres(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wma-restore-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  const owner = await unprivileged();
  if (owner) await chown(path, owner.uid, owner.gid);
  return path;
}

async function startedPostgres(t: TestContext): Promise<TestServer> {
  const started = await startPostgres(t);
  assert.ok(started);
  return started;
}

/** The feed in the database at `url`, with an event for each account that is held. */
function openFeed(t: TestContext, url: string) {
  const pool = createPostgresPool({ url, searchPath: SCHEMA, maxConnections: 2, log });
  t.after(() => pool.end());
  const database = createDatabase(pool);
  const catalogue = createCatalogue(database, SCHEMA, lifetimes);
  return {
    database,
    /** Writes the event of each number, and gives them positions. */
    happen: async (numbers: readonly number[]) => {
      const why = { code: 'x', class: 'account' } as const;
      for (const number of numbers)
        await catalogue.accounts.hold(ACCOUNT_OF(number), new Date(NOW.getTime() + 60_000), why, NOW);
      while ((await catalogue.events.sequence()).hasMore);
    },
    /** Reads as a client does: from the cursor, as text, to the end. */
    readFrom: async (cursor: string): Promise<readonly Event[]> => {
      const place = await catalogue.events.locate(decodeFeedCursor(cursor)!);
      assert.ok(place.is === 'here');
      return (await catalogue.events.read(place.cursor.position, {}, 500)).items;
    },
  };
}

const START = encodeFeedCursor({ position: 0, atMs: 0 });
const cursorOf = (event: Event) => encodeFeedCursor(cursorOfEvent(event));
const numbersOf = (events: readonly Event[]) =>
  events.map(({ account }) => Number(account!.slice(ACCOUNT_OF(0).length - 1)));
const from1To = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** The first events happened ten minutes ago, as a feed has them that is older than a minute. */
const ageFirst = (url: string, positions: number) =>
  onPostgres(
    url,
    `UPDATE ${SCHEMA}.event SET sequenced_at = sequenced_at - interval '10 minutes' WHERE position <= ${positions}`,
  );

describe('the feed in another database', { skip, timeout: 180_000 }, () => {
  test('goes on after a dump is restored into a new server, whose transaction ids are smaller', async (t) => {
    const [old, fresh] = [await startedPostgres(t), await startedPostgres(t)];
    await onPostgres(
      old.url,
      'DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$',
    );
    const before = openFeed(t, old.url);
    await migrate(before.database, SCHEMA, NOW);
    await before.happen([1, 2, 3, 4, 5, 6]);
    await ageFirst(old.url, 3);
    const six = await before.readFrom(START);
    const file = join(await folderForPostgres(t), 'dump.sql');
    await run(pgDump, ['--schema', SCHEMA, '--file', file, old.url], { timeout: 60_000 });
    // These are lost, but a client has read them.
    await before.happen([7, 8, 9]);
    const nine = await before.readFrom(START);
    assert.equal(nine.length, 9);

    await run(psql, ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', file, fresh.url], { timeout: 60_000 });
    const idOf = async (url: string) =>
      Number((await onPostgres(url, 'SELECT txid_current() AS id')).rows[0].id);
    assert.ok((await idOf(fresh.url)) < (await idOf(old.url)) - 2_000);
    const after = openFeed(t, fresh.url);
    assert.deepEqual(
      numbersOf(await after.readFrom(cursorOf(nine[8]!))),
      [4, 5, 6],
      'before anything happens',
    );
    await after.happen([10, 11, 12, 13]);

    for (const seen of [1, 2, 3, 4, 5, 6]) {
      const rest = await after.readFrom(cursorOf(six[seen - 1]!));
      assert.deepEqual(numbersOf(rest), [...from1To(6).slice(seen), 10, 11, 12, 13], `after ${seen}`);
    }
    // Positions 7 to 9 were given again. These begin a minute before their time: nothing is missed, some come twice.
    for (const lost of nine.slice(6))
      assert.deepEqual(numbersOf(await after.readFrom(cursorOf(lost))), [4, 5, 6, 10, 11, 12, 13]);
    const all = await after.readFrom(START);
    assert.deepEqual(
      all.map(({ position }) => position),
      from1To(10),
    );
    assert.deepEqual(
      all.slice(0, 6).map(({ id }) => id),
      six.map(({ id }) => id),
      'an event that comes twice has the same id',
    );
  });

  test('goes on at a promoted standby that lacks the last transactions', async (t) => {
    const primary = await startedPostgres(t);
    const before = openFeed(t, primary.url);
    await migrate(before.database, SCHEMA, NOW);
    await before.happen([1, 2, 3]);
    await ageFirst(primary.url, 2);
    const standby = await startStandby(t, primary.url);
    await before.happen([4, 5]);
    const { rows } = await onPostgres(primary.url, 'SELECT pg_current_wal_lsn() AS lsn');
    await eventually('the standby to follow', async () => {
      const sql = `SELECT pg_last_wal_replay_lsn() >= '${rows[0].lsn}' AS is_there`;
      return (await onPostgres(standby.url, sql)).rows[0].is_there === true;
    });
    await onPostgres(standby.url, `ALTER SYSTEM SET primary_conninfo = ''`);
    await onPostgres(standby.url, 'SELECT pg_reload_conf()');
    await eventually('it to leave', async () => {
      return (await onPostgres(standby.url, 'SELECT FROM pg_stat_wal_receiver')).rowCount === 0;
    });
    await before.happen([6, 7]);
    const seven = await before.readFrom(START);
    assert.deepEqual(numbersOf(seven), from1To(7));
    await primary.stop();
    await onPostgres(standby.url, 'SELECT pg_promote(true, 30)');

    const after = openFeed(t, standby.url);
    await after.happen([8, 9, 10]);
    for (const seen of [1, 2, 3, 4, 5]) {
      const rest = await after.readFrom(cursorOf(seven[seen - 1]!));
      assert.deepEqual(numbersOf(rest), [...from1To(5).slice(seen), 8, 9, 10], `after ${seen}`);
    }
    for (const lost of seven.slice(5))
      assert.deepEqual(numbersOf(await after.readFrom(cursorOf(lost))), [3, 4, 5, 8, 9, 10]);
  });
});

/** A standby that replicates the server at `url`, started. */
async function startStandby(t: TestContext, url: string): Promise<TestServer> {
  const data = join(await folderForPostgres(t), 'standby');
  const owner = await unprivileged();
  await mkdir(data, { mode: 0o700 });
  if (owner) await chown(data, owner.uid, owner.gid);
  const as = { cwd: data, ...owner };
  const backup = ['-D', data, '-R', '-X', 'stream', '-c', 'fast', '-d', url];
  await run(pgBasebackup, backup, { ...as, timeout: 60_000 });
  const port = await freePort();
  const flags = ['-c', 'shared_buffers=32MB', '-c', 'max_connections=200', '-c', 'fsync=off'];
  const args = ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', '', ...flags];
  const at = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const standby = createTestServer(at, { program: server, args, crashSignal: 'SIGQUIT', ...as }, () =>
    pingPostgres(at),
  );
  t.after(() => standby.stop());
  await standby.start();
  return standby;
}
