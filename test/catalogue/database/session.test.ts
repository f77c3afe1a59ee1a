/** Every setting of a session that changes meaning, at a value that would change it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../../src/catalogue/database/database.ts';
import { migrate } from '../../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { requireUsableDatabase } from '../../../src/catalogue/database/requirements.ts';
import { idOf } from '../../../src/media.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { onPostgres } from '../../machine/postgres.ts';
import { missing, postgresForTest } from '../../machine/services.ts';
import { lifetimes, SCHEMA } from '../backends.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });

/** setting → a value that is not ours. */
export const ODD = {
  DateStyle: "'SQL, DMY'",
  IntervalStyle: "'sql_standard'",
  TimeZone: "'Asia/Kathmandu'",
  array_nulls: 'off',
  backslash_quote: 'off',
  bytea_output: "'escape'",
  client_encoding: "'LATIN1'",
  client_min_messages: "'error'",
  default_transaction_deferrable: 'on',
  default_transaction_isolation: "'serializable'",
  default_transaction_read_only: 'on',
  extra_float_digits: '-15',
  idle_in_transaction_session_timeout: "'1ms'",
  // Time enough for a busy machine to get from the connection to the first statement.
  idle_session_timeout: "'500ms'",
  lock_timeout: "'1ms'",
  quote_all_identifiers: 'on',
  row_security: 'off',
  search_path: "'nowhere'",
  standard_conforming_strings: 'off',
  statement_timeout: "'1s'",
  synchronous_commit: 'off',
  transform_null_equals: 'on',
  xmloption: "'document'",
} as const;

/** What the rows of a day go through, with everything read back that has a time, a null, a backslash or a large number. */
async function liveADay(url: string, ACCOUNT: string): Promise<void> {
  const pool = createPostgresPool({ url, searchPath: SCHEMA, maxConnections: 4, log });
  try {
    const database = createDatabase(pool);
    await requireUsableDatabase(database);
    await migrate(database, SCHEMA, new Date());
    const catalogue = createCatalogue(database, SCHEMA, lifetimes);
    await catalogue.accounts.ensure([ACCOUNT]);
    // In another order the day could be read as the month.
    const at = (second: number) => new Date(Date.UTC(2026, 2, 4, 5, 6, second, 789));
    const text = String.raw`C:\new\x00 ' 图片 "NULL"`;
    const references = Array.from({ length: 8 }, (_, index) => ({
      account: ACCOUNT,
      mediaId: `day-${index}`,
      kind: 'image' as const,
      sentAt: at(index),
      openId: text,
      labels: { text },
    }));
    await Promise.all(references.map((one) => catalogue.media.insert([one], at(10), true)));
    const { claimed } = await catalogue.queue.claim([{ account: ACCOUNT, capacity: 8 }], at(11), 8);
    assert.equal(claimed.length, 8);
    const stored = await Promise.all(
      claimed.map(async (job, index) => {
        const object = { bucket: 'b', objectKey: `key-${job.id}` };
        await catalogue.outcomes.reserve(job, object, at(12));
        const times = { startedAt: at(12), endedAt: at(13) };
        return catalogue.outcomes.markArchived(
          { ...job, ...times, account: ACCOUNT },
          {
            ...object,
            sizeBytes: 9_007_199_254_740_991,
            sha256: 'ab'.repeat(32),
            contentType: 'image/jpeg',
            source: 'media_get',
            lengthVerified: true,
            // Nulls and texts side by side, in the array of one statement.
            declaredType: index % 2 === 0 ? undefined : 'image/jpeg',
            fileName: index % 2 === 0 ? undefined : text,
          },
        );
      }),
    );
    assert.deepEqual(stored, Array(8).fill(true));
    const row = await catalogue.media.get(idOf(ACCOUNT, 'day-0'));
    assert.equal(row?.status, 'archived');
    assert.deepEqual(row.sentAt, at(0));
    assert.deepEqual(row.archivedAt, at(13));
    assert.equal(row.openId, text);
    assert.deepEqual(row.labels, { text });
    assert.equal(row.sizeBytes, 9_007_199_254_740_991);
    const sort = 'sentAt';
    const first = await catalogue.media.list({ accounts: [ACCOUNT], labels: { text } }, { sort, limit: 5 });
    const second = await catalogue.media.list(
      { accounts: [ACCOUNT] },
      { sort, limit: 5, cursor: first.nextCursor! },
    );
    const names = [...first.items, ...second.items].map(({ mediaId }) => mediaId);
    assert.deepEqual(names, references.map(({ mediaId }) => mediaId).reverse());
    const fileNames = first.items.map(({ fileName }) => fileName);
    assert.ok(
      fileNames.every((name) => name === undefined || name === text),
      String(fileNames),
    );
    const [attempt] = await catalogue.media.attempts(row.id);
    assert.deepEqual([attempt?.startedAt, attempt?.ms], [at(12), 1000]);
    const count = { account: ACCOUNT, day: '2026-03-04', refused: false, what: 'image', count: 3 };
    await catalogue.callbackCounts.add([count], [], '2026-03-01');
    const counts = await catalogue.callbackCounts.listSince('2026-03-04');
    assert.deepEqual(
      counts.filter((one) => one.account === ACCOUNT),
      [count],
    );
    // A session that is idle in a transaction is not cut off under us.
    const idle = await database.transaction(async (transaction) => {
      await transaction.query('SELECT 1');
      await new Promise((resolve) => setTimeout(resolve, 120));
      return transaction.query('SELECT 1 AS one');
    });
    assert.deepEqual(idle, [{ one: 1 }]);
  } finally {
    await pool.end();
  }
}

describe('settings of the session', { skip: missing.postgres }, () => {
  test('settings of the database do not change what is written and read, each alone and all at once', async (t) => {
    const url = await postgresForTest(t);
    if (!url) return;
    const database = new URL(url).pathname.slice(1);
    // Said from another database, whose sessions are not read only.
    const server = process.env.TEST_DATABASE_URL!;
    const alter = (change: string) => onPostgres(server, `ALTER DATABASE ${database} ${change}`);
    for (const [name, value] of Object.entries(ODD)) {
      await t.test(`${name} = ${value}`, async () => {
        await alter(`SET ${name} = ${value}`);
        await liveADay(url, name);
      });
      await alter(`RESET ${name}`);
    }
    for (const [name, value] of Object.entries(ODD)) await alter(`SET ${name} = ${value}`);
    await liveADay(url, 'all at once');

    const pool = createPostgresPool({ url, searchPath: SCHEMA, maxConnections: 1, log });
    t.after(() => pool.end());
    const sessionOf = async () => (await pool.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    const session = await sessionOf();
    await new Promise((resolve) => setTimeout(resolve, 800));
    assert.equal(await sessionOf(), session, 'a session that is idle between statements is not cut off');
  });

  test('the function for producers does the same in a session with all these settings', async (t) => {
    const url = await postgresForTest(t);
    if (!url) return;
    const ACCOUNT = 'wx0123456789abcdef';
    await liveADay(url, ACCOUNT);
    const { default_transaction_read_only: _, ...odd } = ODD;
    const settings = Object.entries(odd).map(([name, value]) => `SET ${name} = ${value};`);
    const link = 'http://mmbiz.qpic.cn/Sss/0?a=S';
    const called = await onPostgres(
      url,
      `${settings.join(' ')} SELECT ${SCHEMA}.archive('${ACCOUNT}', 'by-sql', 'image',
        sent_at => timestamptz '2026-03-04T05:06:07Z', pic_url => '${link}') AS id`,
    );
    const [result] = [called].flat().slice(-1);
    assert.deepEqual(result?.rows, [{ id: idOf(ACCOUNT, 'by-sql') }]);
    const read = await onPostgres(
      url,
      `SELECT extract(epoch FROM sent_at)::integer AS at, pic_url FROM ${SCHEMA}.media WHERE media_id = 'by-sql'`,
    );
    assert.deepEqual(read.rows, [{ at: Date.UTC(2026, 2, 4, 5, 6, 7) / 1000, pic_url: link }]);
  });
});

describe('a database that cannot be used', { skip: missing.postgres }, () => {
  for (const encoding of ['SQL_ASCII', 'LATIN1']) {
    test(`a database with the encoding ${encoding} is refused with the statement that helps`, async (t) => {
      const url = await postgresForTest(t);
      if (!url) return;
      const name = `${new URL(url).pathname.slice(1)}_other`;
      await onPostgres(url, `CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);
      t.after(() => onPostgres(url, `DROP DATABASE ${name} WITH (FORCE)`));
      const other = new URL(url);
      other.pathname = `/${name}`;
      await assert.rejects(liveADay(other.href, 'wx1'), {
        name: 'DatabaseUnfitError',
        exitCode: 78,
        message: new RegExp(`encoding is ${encoding},.*ENCODING 'UTF8' TEMPLATE template0`),
      });
    });
  }

  test('a role with triggers turned off is refused with the statement that helps', async (t) => {
    const url = await postgresForTest(t);
    if (!url) return;
    const name = new URL(url).pathname.slice(1);
    await onPostgres(url, `ALTER DATABASE ${name} SET session_replication_role = replica`);
    await assert.rejects(liveADay(url, 'wx1'), {
      name: 'DatabaseUnfitError',
      message:
        /session_replication_role is replica .* ALTER ROLE postgres SET session_replication_role = origin/,
    });
  });
});
