import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openEmbeddedDatabase } from '../../../src/embedded/database/database.ts';
import { freeBytes, watchDiskSpace } from '../../../src/runtime/disk/disk-space.ts';
import { log, makeDatabaseFolder, makeFolder, metrics } from '../../embedded/database/open.ts';

const MORE_THAN_ANY_DISK = 2 ** 60;
const isDiskFull = (error: { failure?: { code: string } }) => error.failure?.code === 'disk_full';

test('below the floor writes are refused as disk_full, on the pool and in functions, and reads go on', async () => {
  await using folder = await makeDatabaseFolder();
  const options = { folder: folder.path, log, metrics, fsync: false };
  const roomy = await openEmbeddedDatabase(options);
  await roomy.pool.query('CREATE TABLE note (id int)');
  await roomy.pool.query(
    `CREATE FUNCTION add_note(int) RETURNS void LANGUAGE sql AS 'INSERT INTO note VALUES ($1)'`,
  );
  await roomy.pool.query('SELECT add_note(1)');
  await roomy.close();

  const full = await openEmbeddedDatabase({ ...options, freeSpaceFloorBytes: MORE_THAN_ANY_DISK });
  const client = await full.pool.connect();
  await assert.rejects(full.pool.query('INSERT INTO note VALUES (2)'), isDiskFull);
  await assert.rejects(full.pool.query('SELECT add_note($1)', [2]), isDiskFull);
  await assert.rejects(client.query('UPDATE note SET id = 3'), isDiskFull);
  await client.query('LISTEN anything');
  assert.deepEqual((await client.query('SELECT id FROM note')).rows, [{ id: 1 }]);
  client.release();
  await full.close();

  const again = await openEmbeddedDatabase(options);
  await again.pool.query('SELECT add_note(2)');
  await again.close();
});

test('no new database is created below the floor', async () => {
  await using folder = await makeFolder();
  const opening = openEmbeddedDatabase({
    folder: folder.path,
    log,
    metrics,
    fsync: false,
    freeSpaceFloorBytes: MORE_THAN_ANY_DISK,
  });
  await assert.rejects(opening, isDiskFull);
});

test('writes continue as soon as there is space again', async (t) => {
  let free = 50;
  const space = await watchDiskSpace({
    folder: '/',
    floorBytes: 100,
    log,
    everyMs: 5,
    freeBytes: async () => free,
  });
  t.after(space.close);
  assert.equal(space.isLow(), true);
  free = 100;
  const deadline = AbortSignal.timeout(10_000);
  while (space.isLow()) await wait(5, undefined, { signal: deadline });
});

test('free space is that of the folder’s disk', async () => {
  assert.ok((await freeBytes(process.cwd())) > 0);
});
