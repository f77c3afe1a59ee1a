/** Repeated statements stay planned in the session; their results and errors are those of new ones. */
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

async function cachedPlans(like: string): Promise<{ uses: number }[]> {
  const { rows } = await pool.query(
    `SELECT (generic_plans + custom_plans)::int AS uses FROM pg_prepared_statements WHERE statement LIKE '${like}'`,
  );
  return rows;
}

test('a repeated statement returns the same result for every client, from one plan', async () => {
  const [one, other] = [await pool.connect(), await pool.connect()];
  try {
    for (let n = 1; n <= 8; n++) {
      const client = n % 2 ? one : other;
      const { rows, rowCount } = await client.query('SELECT $1::int + 1 AS next, $2::text AS echo', [
        n,
        `ü${n}`,
      ]);
      assert.deepEqual({ rows, rowCount }, { rows: [{ next: n + 1, echo: `ü${n}` }], rowCount: 1 });
    }
  } finally {
    one.release();
    other.release();
  }
  // The first execution is not cached.
  assert.deepEqual(await cachedPlans('SELECT $1::int + 1%'), [{ uses: 7 }]);
});

test('a failed execution leaves no plan behind', async () => {
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
  assert.equal((await cachedPlans('INSERT INTO note%')).length, 1);
  assert.equal((await cachedPlans('SELECT nothing%')).length, 0);
});

test('a cached statement is refused inside a failed transaction', async () => {
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

test('a table whose columns have changed is read with its new columns', async () => {
  await pool.query('CREATE TABLE growing (a int); INSERT INTO growing VALUES (1)');
  const read = async () => (await pool.query('SELECT * FROM growing WHERE a = $1', [1])).rows;
  for (let times = 0; times < 3; times++) assert.deepEqual(await read(), [{ a: 1 }]);
  await pool.query('ALTER TABLE growing ADD COLUMN b int DEFAULT 2');
  for (let times = 0; times < 3; times++) assert.deepEqual(await read(), [{ a: 1, b: 2 }]);
});

test('at most a hundred statements are cached', async () => {
  for (let n = 0; n < 130; n++) {
    for (let times = 0; times < 2; times++) await pool.query(`SELECT $1::int AS many${n}`, [n]);
  }
  // A dropped statement is closed together with the next one that is cached.
  const cached = (await cachedPlans('%')).length;
  assert.ok(cached >= 100 && cached <= 101, `${cached} are cached`);
  assert.equal((await cachedPlans('%many129')).length, 1);
  assert.equal((await cachedPlans('%many0')).length, 0);
});

test('a statement is planned again after ten seconds, because its table may have grown', () => {
  let nowMs = 0;
  const cache = createStatementCache({ now: () => nowMs });
  const { parse, bind, execute, sync } = protocol.serialize;
  const request = Buffer.concat([parse({ text: 'SELECT 1' }), bind(), execute(), sync()]);
  const isCached = () => {
    const cached = cache.use(request);
    cached.end(false);
    return cached.isCached;
  };
  assert.deepEqual([isCached(), isCached(), isCached()], [false, false, true]);
  nowMs = 9_999;
  assert.equal(isCached(), true);
  nowMs = 10_000;
  assert.deepEqual([isCached(), isCached()], [false, true]);
});
