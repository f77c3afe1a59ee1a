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

describe('a query of the embedded database', () => {
  const at = new Date('2026-11-20T10:00:00.123Z');
  const queries: [string, unknown[]?][] = [
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

  test('a query returns the same results and errors as on a Postgres server', async (t) => {
    const connectionString = await postgresForTest(t);
    if (!connectionString) return;
    const server = new pg.Pool({ connectionString, max: 1 });
    t.after(() => server.end());
    for (const [text, values] of queries) {
      const here = await pool.query(text, values);
      assert.deepEqual(shape(here), shape(await server.query(text, values)), text);
    }
    for (const wrong of ['SELEC 1', 'SELECT 1/0', 'SELECT * FROM nowhere', "SELECT 'x'::int"]) {
      const errorOf = async (target: pg.Pool) => {
        const error: pg.DatabaseError = await target.query(wrong).then(
          () => assert.fail(wrong),
          (reason) => reason,
        );
        const { code, message, position, severity } = error;
        return { isDatabaseError: error instanceof pg.DatabaseError, code, message, position, severity };
      };
      assert.deepEqual(await errorOf(pool), await errorOf(server), wrong);
    }
  });

  test('a result has the types of node-postgres', async () => {
    const { rows } = await pool.query(
      'SELECT 5::int8 AS big, 1.50::numeric AS exact, $1::timestamptz AS at, $2::bytea AS bytes, $3::jsonb AS json',
      [at, Buffer.from('x'), { a: [null] }],
    );
    assert.deepEqual(rows, [{ big: '5', exact: '1.50', at, bytes: Buffer.from('x'), json: { a: [null] } }]);
  });

  test('a violated constraint gives its SQLSTATE and name, and the client stays usable', async () => {
    const client = await pool.connect();
    await client.query('INSERT INTO note VALUES ($1, $2)', [1, 'a']);
    await assert.rejects(client.query('INSERT INTO note VALUES ($1, $2)', [1, 'b']), {
      code: '23505',
      constraint: 'note_pkey',
    });
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    client.release();
  });

  test('two clients may use the same name for different statements', async () => {
    const [one, other] = await Promise.all([pool.connect(), pool.connect()]);
    const query = (client: pg.PoolClient, text: string) =>
      client.query({ name: 'same', text, rowMode: 'array' });
    assert.deepEqual((await query(one, 'SELECT 1')).rows, [[1]]);
    assert.deepEqual((await query(other, 'SELECT 2')).rows, [[2]]);
    one.release();
    other.release();
  });

  test('a large result and a large parameter arrive whole', async () => {
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

describe('a transaction of the embedded database', () => {
  test('a transaction has the session alone until it ends', async () => {
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

  test('a transaction fails as a whole when one statement fails', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO note VALUES (1)');
    await assert.rejects(client.query('INSERT INTO note VALUES (1)'), { code: '23505' });
    await assert.rejects(client.query('SELECT 1'), { code: '25P02' });
    assert.equal((await client.query('COMMIT')).command, 'ROLLBACK');
    client.release();
    assert.equal(await count(), 0);
  });

  test('a transaction cannot be begun on the pool itself', async () => {
    for (const text of ['BEGIN', ' begin isolation level serializable', 'START TRANSACTION']) {
      await assert.rejects(pool.query(text), /pool\.connect/);
    }
  });

  test('a transaction left open at release is rolled back', async () => {
    for (const how of [undefined, true]) {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query('INSERT INTO note VALUES (1)');
      client.release(how);
      assert.equal(await count(), 0);
    }
  });

  test('an idle transaction is rolled back, other clients continue, and its COMMIT fails', async () => {
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

describe('LISTEN on the embedded database', () => {
  async function listener(t: { after(done: () => void): void }, sql: string) {
    const client = await pool.connect();
    const received: string[] = [];
    client.on('notification', ({ channel, payload }) => received.push(`${channel}: ${payload}`));
    t.after(() => client.release(true));
    await client.query(sql);
    return { client, received };
  }
  /** Resolves when all earlier notifications are delivered: one on another channel comes after them. */
  async function untilDelivered(): Promise<void> {
    const client = await pool.connect();
    await client.query('LISTEN mark');
    const marked = once(client, 'notification');
    await pool.query('NOTIFY mark');
    await marked;
    client.release(true);
  }

  test('LISTEN subscribes only its own client', async (t) => {
    const a = await listener(t, '-- comment\nLISTEN Jobs;');
    const b = await listener(t, 'LISTEN "Quoted ""one"""');
    await pool.query("SELECT pg_notify('jobs', 'q1'), pg_notify('Quoted \"one\"', 'q2')");
    await a.client.query("NOTIFY jobs, 'own'");
    await untilDelivered();
    assert.deepEqual(a.received, ['jobs: q1', 'jobs: own']);
    assert.deepEqual(b.received, ['Quoted "one": q2']);
  });

  test('a notification is delivered at COMMIT and never after a ROLLBACK', async (t) => {
    const { received } = await listener(t, 'LISTEN jobs');
    for (const end of ['ROLLBACK', 'COMMIT']) {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query("SELECT pg_notify('jobs', $1)", [end]);
      assert.deepEqual(received, []);
      await client.query(end);
      client.release();
    }
    await untilDelivered();
    assert.deepEqual(received, ['jobs: COMMIT']);
  });

  test('UNLISTEN of one client leaves the others subscribed', async (t) => {
    const a = await listener(t, 'LISTEN jobs');
    const b = await listener(t, 'LISTEN jobs');
    await a.client.query('UNLISTEN jobs');
    await pool.query('NOTIFY jobs');
    await untilDelivered();
    assert.deepEqual([a.received.length, b.received.length], [0, 1]);
  });
});

test('timers fire while many statements wait for their turn', async () => {
  let turns = 0;
  const count = () => {
    turns++;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  // Each takes longer than a time slice of the session; all clients wait at once.
  const slow = 'SELECT count(*) FROM generate_series(1, 50000)';
  await Promise.all(Array.from({ length: 96 }, () => pool.query(slow)));
  clearImmediate(immediate);
  assert.ok(turns >= 48, `${turns} turns of the event loop during 96 statements`);
});

test('timers fire between the statements of a caller that awaits one after the other', async () => {
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

test('an ended pool refuses queries with the error of node-postgres', async () => {
  const other = await openForTest();
  const client = await other.pool.connect(); // never released: closed
  const failed = once(client, 'error');
  await other.close();
  await failed;
  await assert.rejects(other.pool.query('SELECT 1'), /after calling end on the pool/);
});
