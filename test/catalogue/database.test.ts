import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDatabase } from '../../src/catalogue/database.ts';
import { createPostgresPool } from '../../src/catalogue/postgres.ts';
import { createLog } from '../../src/log.ts';
import { missing, postgresForTest } from '../services.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });

test('a transaction undone in a deadlock is said again', { skip: missing.postgres }, async (t) => {
  const url = await postgresForTest(t);
  if (!url) return;
  const pool = createPostgresPool({ url, searchPath: 'public', maxConnections: 4, log });
  t.after(() => pool.end());
  const database = createDatabase(pool);
  await database.query('CREATE TABLE met (id integer PRIMARY KEY, n integer NOT NULL)');
  await database.query('INSERT INTO met VALUES (1, 0), (2, 0)');
  const bothHold = Promise.withResolvers<void>();
  let holding = 0;
  let runs = 0;
  const add = async (first: number, second: number) =>
    database.transaction(async (transaction) => {
      runs++;
      await transaction.query('UPDATE met SET n = n + 1 WHERE id = $1', [first]);
      if (++holding === 2) bothHold.resolve();
      await bothHold.promise;
      await transaction.query('UPDATE met SET n = n + 1 WHERE id = $1', [second]);
    });
  await Promise.all([add(1, 2), add(2, 1)]);
  assert.equal(runs, 3, 'one of them twice');
  assert.deepEqual(await database.query('SELECT id, n FROM met ORDER BY id'), [
    { id: 1, n: 2 },
    { id: 2, n: 2 },
  ]);
});
