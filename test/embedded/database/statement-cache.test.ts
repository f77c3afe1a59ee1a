/** Statements that are said often stay planned in the one session, and nobody notices but by the time it takes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { protocol } from '@electric-sql/pglite';
import type pg from 'pg';
import { createStatementCache } from '../../../src/embedded/database/statement-cache.ts';
import { openForTest } from './open.ts';

let database: Awaited<ReturnType<typeof openForTest>>;
let pool: pg.Pool;

before(async () => {
  database = await openForTest();
  pool = database.pool;
  await pool.query('CREATE TABLE note (id int PRIMARY KEY, text text)');
});
after(() => database.close());

async function plans(like: string): Promise<{ uses: number }[]> {
  const { rows } = await pool.query(
    `SELECT (generic_plans + custom_plans)::int AS uses FROM pg_prepared_statements WHERE statement LIKE '${like}'`,
  );
  return rows;
}

test('answers each time as the first time, whichever client asks, from one plan', async () => {
  const [one, other] = [await pool.connect(), await pool.connect()];
  try {
    for (let n = 1; n <= 8; n++) {
      const client = n % 2 ? one : other;
      const { rows, rowCount } = await client.query('SELECT $1::int + 1 AS next, $2::text AS said', [
        n,
        `ü${n}`,
      ]);
      assert.deepEqual({ rows, rowCount }, { rows: [{ next: n + 1, said: `ü${n}` }], rowCount: 1 });
    }
  } finally {
    one.release();
    other.release();
  }
  // The first time nobody knows that there will be a second.
  assert.deepEqual(await plans('SELECT $1::int + 1%'), [{ uses: 7 }]);
});

test('an execution that fails leaves nothing behind', async () => {
  const insert = (id: number) => pool.query('INSERT INTO note VALUES ($1, $2)', [id, 'text']);
  await insert(1);
  await insert(2);
  for (let times = 0; times < 3; times++) {
    await assert.rejects(insert(1), { code: '23505' });
    assert.equal((await insert(10 + times)).rowCount, 1);
  }
  for (let times = 0; times < 3; times++) {
    await assert.rejects(pool.query('SELECT nothing FROM nowhere WHERE $1', [true]), { code: '42P01' });
  }
  assert.equal((await plans('INSERT INTO note%')).length, 1);
  assert.equal((await plans('SELECT nothing%')).length, 0);
});

test('inside a transaction that has failed it is refused like any other', async () => {
  const count = (client: pg.Pool | pg.PoolClient) =>
    client.query('SELECT count(*)::int AS n FROM note WHERE id < $1', [2]);
  for (let times = 0; times < 3; times++) await count(pool);
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await assert.rejects(client.query('SELECT 1 / $1::int', [0]), { code: '22012' });
    await assert.rejects(count(client), { code: '25P02' });
    await client.query('ROLLBACK');
    assert.equal((await count(client)).rows[0].n, 1);
  } finally {
    client.release();
  }
});

test('a table whose columns have changed is read as it is now', async () => {
  await pool.query('CREATE TABLE growing (a int); INSERT INTO growing VALUES (1)');
  const read = async () => (await pool.query('SELECT * FROM growing WHERE a = $1', [1])).rows;
  for (let times = 0; times < 3; times++) assert.deepEqual(await read(), [{ a: 1 }]);
  await pool.query('ALTER TABLE growing ADD COLUMN b int DEFAULT 2');
  for (let times = 0; times < 3; times++) assert.deepEqual(await read(), [{ a: 1, b: 2 }]);
});

test('no more are kept than a hundred', async () => {
  for (let n = 0; n < 130; n++) {
    for (let times = 0; times < 2; times++) await pool.query(`SELECT $1::int AS many${n}`, [n]);
  }
  // Those that made room are closed with the next that is kept.
  const kept = (await plans('%')).length;
  assert.ok(kept >= 100 && kept <= 101, `${kept} are kept`);
  assert.equal((await plans('%many129')).length, 1);
  assert.equal((await plans('%many0')).length, 0);
});

test('one is made anew when it is ten seconds old, for its table may have grown', () => {
  let nowMs = 0;
  const kept = createStatementCache({ now: () => nowMs });
  const { parse, bind, execute, sync } = protocol.serialize;
  const unit = Buffer.concat([parse({ text: 'SELECT 1' }), bind(), execute(), sync()]);
  const isKept = () => {
    const planned = kept.use(unit);
    planned.end(false);
    return planned.isCached;
  };
  assert.deepEqual([isKept(), isKept(), isKept()], [false, false, true]);
  nowMs = 9_999;
  assert.equal(isKept(), true);
  nowMs = 10_000;
  assert.deepEqual([isKept(), isKept()], [false, true]);
});
