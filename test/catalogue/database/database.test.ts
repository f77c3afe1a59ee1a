import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { createDatabase, DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { findProgram } from '../../machine/programs.ts';
import { missing, postgresForTest } from '../../machine/services.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });

test('a transaction that was rolled back by a deadlock runs again', { skip: missing.postgres }, async (t) => {
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

test('a process with too many open files finds its database unavailable, and later available again', {
  skip: missing.postgres || (findProgram('prlimit', process.env) ? false : 'no prlimit on this machine'),
}, async (t) => {
  const url = await postgresForTest(t);
  if (!url) return;
  const pool = createPostgresPool({ url, searchPath: 'public', maxConnections: 1, log });
  t.after(() => pool.end());
  const database = createDatabase(pool);
  const limit = `prlimit --pid ${process.pid} --nofile`;
  const shell = spawn('sh', ['-c', `${limit}=3: && sleep 1; ${limit}=4096:`], { stdio: 'ignore' });
  const ended = once(shell, 'exit');
  let error: unknown;
  while (!(error instanceof DatabaseUnavailableError)) {
    // A new connection each time: one that is open needs no file.
    error = await database.query('SELECT pg_terminate_backend(pg_backend_pid())').catch((reason) => reason);
    if (error instanceof DatabaseUnavailableError && (error.cause as { code?: string }).code !== 'EMFILE')
      error = undefined;
  }
  assert.equal(error.refusal, undefined, 'it passes');
  await ended;
  assert.deepEqual(await database.query('SELECT 1 AS one'), [{ one: 1 }]);
});
