import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, mock, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createAutovacuum } from '../../../src/embedded/database/autovacuum.ts';
import { openEmbeddedDatabase } from '../../../src/embedded/database/database.ts';
import { log, makeDatabaseFolder, makeFolder, metrics, openForTest } from './open.ts';

const PROGRAM = fileURLToPath(new URL('write-until-killed.ts', import.meta.url));

describe('a process killed with kill -9', () => {
  for (const mode of ['fsync', 'no-fsync']) {
    test(`a killed process loses no acknowledged row (${mode})`, async () => {
      // Once with a new database, once with an existing one.
      await using folder = await (mode === 'fsync' ? makeFolder() : makeDatabaseFolder());
      const acknowledged: number[] = [];
      const child = spawn(process.execPath, [PROGRAM, folder.path, mode], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      for await (const line of createInterface(child.stdout)) {
        acknowledged.push(Number(line));
        if (acknowledged.length === 300) child.kill('SIGKILL');
      }
      assert.deepEqual(await exited, [null, 'SIGKILL']);

      const database = await openEmbeddedDatabase({ folder: folder.path, log, metrics, fsync: false });
      const { rows } = await database.pool.query('SELECT n FROM written ORDER BY n');
      await database.close();
      const found = new Set(rows.map(({ n }) => n));
      assert.ok(acknowledged.length >= 300);
      assert.deepEqual(
        acknowledged.filter((n) => !found.has(n)),
        [],
      );
    });
  }
});

describe('fsync of the embedded database', () => {
  /** Counts the calls of the real fsync. */
  function watchFsync(t: TestContext) {
    const watched = mock.method(fs, 'fsyncSync');
    syncBuiltinESMExports();
    t.after(() => {
      watched.mock.restore();
      syncBuiltinESMExports();
    });
    return watched.mock;
  }

  test('fsync precedes the acknowledgement of a commit where it is configured, and only there', async (t) => {
    const fsync = watchFsync(t);
    for (const isConfigured of [true, false]) {
      const database = await openForTest({ fsync: isConfigured });
      await database.pool.query('CREATE TABLE note (id int)');
      const before = fsync.callCount();
      await database.pool.query('INSERT INTO note VALUES (1)');
      assert.equal(fsync.callCount() > before, isConfigured);
      await database.close();
    }
  });

  test('a failed fsync stops the database: queries fail and it can be closed', async (t) => {
    const fsync = watchFsync(t);
    const database = await openForTest({ fsync: true });
    await database.pool.query('CREATE TABLE note (id int)');
    fsync.mockImplementation(() => {
      throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
    });
    await assert.rejects(database.pool.query('INSERT INTO note VALUES (1)'), /restart the program/);
    await assert.rejects(database.pool.query('SELECT 1'), /restart the program/);
    await database.close();
  });
});

describe('autovacuum of the embedded database', () => {
  const walBytes = async (folder: string) => {
    const files = await readdir(join(folder, 'pg_wal'), { withFileTypes: true });
    const sizes = files.map(async (file) =>
      file.isFile() ? (await stat(join(file.parentPath, file.name))).size : 0,
    );
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  };

  test('autovacuum keeps the write-ahead log small and removes dead rows', async () => {
    const { pool, folder, close } = await openForTest({ autovacuumEveryMs: 3_600_000 });
    const autovacuum = createAutovacuum(pool, { log, metrics, everyMs: 3_600_000 });
    await pool.query('CREATE TABLE "Odd name" (id int, text text)');
    for (let times = 0; times < 6; times++) {
      await pool.query(`INSERT INTO "Odd name" SELECT g, repeat('x', 500) FROM generate_series(1, 50000) g`);
      await pool.query('DELETE FROM "Odd name"');
      await autovacuum.runOnce();
    }
    // They write about 230 MB.
    const bytes = await walBytes(folder);
    assert.ok(bytes < 120e6, `${bytes} bytes of write-ahead log`);
    const { rows } = await pool.query(`SELECT pg_table_size('"Odd name"')::int AS bytes`);
    assert.ok(rows[0].bytes < 1e6, `${rows[0].bytes} bytes for an empty table`);
    await autovacuum.close();
    await close();
  });

  test('autovacuum runs on its timer', async (t) => {
    const { pool, close } = await openForTest({ autovacuumEveryMs: 50 });
    t.after(close);
    await pool.query('CREATE TABLE note AS SELECT g FROM generate_series(1, 1000) g');
    const done = `SELECT 1 FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL AND last_analyze IS NOT NULL`;
    const deadline = AbortSignal.timeout(20_000);
    while ((await pool.query(done)).rowCount === 0) deadline.throwIfAborted();
  });
});
