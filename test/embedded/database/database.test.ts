import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import pg from 'pg';
import { postgresForTest } from '../../machine/services.ts';
import { openForTest } from './open.ts';

const IDLE_MS = 250;
let database: Awaited<ReturnType<typeof openForTest>>;
let pool: pg.Pool;

before(async () => {
  database = await openForTest({ idleInTransactionMs: IDLE_MS, queryTimeoutMs: 5_000 });
  pool = database.pool;
  await pool.query('CREATE TABLE note (id int PRIMARY KEY, text text)');
});
after(() => database.close());
beforeEach(() => pool.query('TRUNCATE note'));

async function count(): Promise<number> {
  return Number((await pool.query('SELECT count(*) FROM note')).rows[0].count);
}

describe('what is asked and answered', () => {
  const at = new Date('2026-11-20T10:00:00.123Z');
  const asked: [string, unknown[]?][] = [
    ['SELECT 5::int8 AS big, 1.50::numeric AS exact, 7 AS small, 0.5::float8 AS real, true AS yes'],
    [
      'SELECT $1::timestamptz AS at, $2::bytea AS bytes, $3::jsonb AS json',
      [at, Buffer.from([0, 255]), { a: [1] }],
    ],
    [
      'SELECT $1::text[] AS texts, $2::timestamptz[] AS times, $3::bytea[] AS bytes, $4::int8[] AS ints',
      [['a', 'b"\\,', null, ''], [at, null], [Buffer.from('x')], ['9007199254740993']],
    ],
    ['SELECT $1::int AS nothing, $2::text AS empty', [undefined, '']],
    [
      'SELECT * FROM unnest($1::text[], $2::int[]) AS t(name, size)',
      [
        ['a', 'b'],
        [1, 2],
      ],
    ],
    ["SELECT 'ü€😀' AS text WHERE $1", [true]],
    ['SELECT 1 AS a WHERE false'],
    ['CREATE TEMP TABLE pair (a int); INSERT INTO pair VALUES (1), (2); SELECT a FROM pair ORDER BY a'],
  ];
  const shape = (result: pg.QueryResult | pg.QueryResult[]) =>
    [result].flat().map(({ command, rowCount, rows, fields }) => ({
      command,
      rowCount,
      rows,
      fields: fields.map(({ name, dataTypeID }) => ({ name, dataTypeID })),
    }));

  test('is the same as on a Postgres server', async (t) => {
    const connectionString = await postgresForTest(t);
    if (!connectionString) return;
    const server = new pg.Pool({ connectionString, max: 1 });
    t.after(() => server.end());
    for (const [text, values] of asked) {
      const here = await pool.query(text, values);
      assert.deepEqual(shape(here), shape(await server.query(text, values)), text);
    }
    for (const wrong of ['SELEC 1', 'SELECT 1/0', 'SELECT * FROM nowhere', "SELECT 'x'::int"]) {
      const fault = async (target: pg.Pool) => {
        const error: pg.DatabaseError = await target.query(wrong).then(
          () => assert.fail(wrong),
          (reason) => reason,
        );
        const { code, message, position, severity } = error;
        return { isDatabaseError: error instanceof pg.DatabaseError, code, message, position, severity };
      };
      assert.deepEqual(await fault(pool), await fault(server), wrong);
    }
  });

  test('has the types node-postgres gives', async () => {
    const { rows } = await pool.query(
      'SELECT 5::int8 AS big, 1.50::numeric AS exact, $1::timestamptz AS at, $2::bytea AS bytes, $3::jsonb AS json',
      [at, Buffer.from('x'), { a: [null] }],
    );
    assert.deepEqual(rows, [{ big: '5', exact: '1.50', at, bytes: Buffer.from('x'), json: { a: [null] } }]);
  });

  test('a constraint tells its SQLSTATE and its name, and the client goes on', async () => {
    const client = await pool.connect();
    await client.query('INSERT INTO note VALUES ($1, $2)', [1, 'a']);
    await assert.rejects(client.query('INSERT INTO note VALUES ($1, $2)', [1, 'b']), {
      code: '23505',
      constraint: 'note_pkey',
    });
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    client.release();
  });

  test('two clients may use one name for two statements', async () => {
    const [one, other] = await Promise.all([pool.connect(), pool.connect()]);
    const ask = (client: pg.PoolClient, text: string) =>
      client.query({ name: 'same', text, rowMode: 'array' });
    assert.deepEqual((await ask(one, 'SELECT 1')).rows, [[1]]);
    assert.deepEqual((await ask(other, 'SELECT 2')).rows, [[2]]);
    one.release();
    other.release();
  });

  test('a large answer and a large parameter arrive whole', async () => {
    const text = 'x'.repeat(3_000_000);
    assert.equal((await pool.query('SELECT $1::text AS text', [text])).rows[0].text, text);
    assert.equal((await pool.query('SELECT * FROM generate_series(1, 20000)')).rowCount, 20_000);
  });

  test('COPY FROM STDIN, which would end the database, is refused', async () => {
    await assert.rejects(pool.query('COPY note FROM STDIN'), { code: '0A000' });
    assert.equal(await count(), 0);
  });

  test('a statement that waits too long for its turn fails, and is not run later', async (t) => {
    const client = await pool.connect();
    t.after(() => client.release());
    await client.query('BEGIN');
    const insert = { text: 'INSERT INTO note VALUES (1)', query_timeout: 50 };
    await assert.rejects(pool.query(insert), /timeout/);
    await client.query('COMMIT');
    assert.equal(await count(), 0);
  });
});

describe('a transaction', () => {
  test('has the session alone until it ends', async () => {
    const client = await pool.connect();
    const order: string[] = [];
    await client.query('BEGIN');
    const other = pool.query("INSERT INTO note VALUES (2, 'other')").then(() => order.push('other'));
    await client.query("INSERT INTO note VALUES (1, 'own')");
    const { rows } = await client.query('SELECT text FROM note');
    assert.deepEqual(rows, [{ text: 'own' }]);
    await client.query('COMMIT').then(() => order.push('commit'));
    client.release();
    await other;
    assert.deepEqual(order, ['commit', 'other']);
    assert.equal(await count(), 2);
  });

  test('fails as a whole when one statement fails', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO note VALUES (1)');
    await assert.rejects(client.query('INSERT INTO note VALUES (1)'), { code: '23505' });
    await assert.rejects(client.query('SELECT 1'), { code: '25P02' });
    assert.equal((await client.query('COMMIT')).command, 'ROLLBACK');
    client.release();
    assert.equal(await count(), 0);
  });

  test('cannot be begun on the pool itself', async () => {
    for (const text of ['BEGIN', ' begin isolation level serializable', 'START TRANSACTION']) {
      await assert.rejects(pool.query(text), /pool\.connect/);
    }
  });

  test('left open at release is rolled back', async () => {
    for (const how of [undefined, true]) {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query('INSERT INTO note VALUES (1)');
      client.release(how);
      assert.equal(await count(), 0);
    }
  });

  test('that stands idle is rolled back, others go on, and its COMMIT fails', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO note VALUES (1)');
    assert.equal(await count(), 0); // waits for IDLE_MS
    await assert.rejects(client.query('INSERT INTO note VALUES (2)'), { code: '25P03' });
    await assert.rejects(client.query('COMMIT'), { code: '25P03' });
    await client.query('INSERT INTO note VALUES (3)');
    client.release();
    assert.deepEqual((await pool.query('SELECT id FROM note')).rows, [{ id: 3 }]);
  });

  test('statements of one client run in the order they were given', async () => {
    const client = await pool.connect();
    for (let id = 0; id < 50; id++) await client.query('INSERT INTO note VALUES ($1)', [id]);
    const ids = (await client.query('SELECT id FROM note ORDER BY ctid')).rows.map(({ id }) => id);
    assert.deepEqual(ids, [...Array(50).keys()]);
    client.release();
  });
});

describe('LISTEN', () => {
  async function listener(t: { after(done: () => void): void }, sql: string) {
    const client = await pool.connect();
    const heard: string[] = [];
    client.on('notification', ({ channel, payload }) => heard.push(`${channel}: ${payload}`));
    t.after(() => client.release(true));
    await client.query(sql);
    return { client, heard };
  }
  /** Two marks on a channel of the test's own: what was announced before them has been delivered. */
  async function settle(): Promise<void> {
    const client = await pool.connect();
    await client.query('LISTEN mark');
    const marked = once(client, 'notification');
    await pool.query('NOTIFY mark');
    await marked;
    client.release(true);
  }

  test('is each client’s own', async (t) => {
    const a = await listener(t, '-- comment\nLISTEN Jobs;');
    const b = await listener(t, 'LISTEN "Quoted ""one"""');
    await pool.query("SELECT pg_notify('jobs', 'q1'), pg_notify('Quoted \"one\"', 'q2')");
    await a.client.query("NOTIFY jobs, 'own'");
    await settle();
    assert.deepEqual(a.heard, ['jobs: q1', 'jobs: own']);
    assert.deepEqual(b.heard, ['Quoted "one": q2']);
  });

  test('hears at COMMIT, and nothing of a ROLLBACK', async (t) => {
    const { heard } = await listener(t, 'LISTEN jobs');
    for (const end of ['ROLLBACK', 'COMMIT']) {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query("SELECT pg_notify('jobs', $1)", [end]);
      assert.deepEqual(heard, []);
      await client.query(end);
      client.release();
    }
    await settle();
    assert.deepEqual(heard, ['jobs: COMMIT']);
  });

  test('goes on for the others when one stops', async (t) => {
    const a = await listener(t, 'LISTEN jobs');
    const b = await listener(t, 'LISTEN jobs');
    await a.client.query('UNLISTEN jobs');
    await pool.query('NOTIFY jobs');
    await settle();
    assert.deepEqual([a.heard.length, b.heard.length], [0, 1]);
  });
});

test('timers fire while many statements wait for their turn', async () => {
  let turns = 0;
  const count = () => {
    turns++;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  // Each takes longer than the session works without a pause; all clients wait at once.
  const slow = 'SELECT count(*) FROM generate_series(1, 50000)';
  await Promise.all(Array.from({ length: 96 }, () => pool.query(slow)));
  clearImmediate(immediate);
  assert.ok(turns >= 48, `${turns} turns of the event loop during 96 statements`);
});

test('timers fire between statements, also when a caller never lets the loop turn', async () => {
  const client = await pool.connect();
  let turns = 0;
  const count = () => {
    turns++;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  for (let i = 0; i < 200; i++) await client.query('SELECT 1');
  clearImmediate(immediate);
  client.release();
  assert.ok(turns >= 150, `${turns} turns of the event loop during 200 statements`);
});

test('an ended pool refuses in node-postgres’ words', async () => {
  const other = await openForTest();
  const client = await other.pool.connect(); // never released: cut off
  const failed = once(client, 'error');
  await other.close();
  await failed;
  await assert.rejects(other.pool.query('SELECT 1'), /after calling end on the pool/);
});
