/** A database restored from yesterday's backup, and the bucket of today: nothing that was archived is lost. */
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { spawnWma } from '../cli/wma.ts';
import { folderForTest, startProgram, until, untilReady } from './programs.ts';
import { setup } from './wechat.ts';

const LONG = { timeout: 240_000 };

test('backup, more archived, restore, wma verify --adopt: every item has its row again', LONG, async (t) => {
  const wechat = await setup(t);
  const folder = await folderForTest(t);
  const database = join(folder, 'data/database');
  const backup = join(folder, 'backup');
  const start = async () => {
    const program = startProgram(t, {
      file: 'src/main.ts',
      folder,
      env: { ...wechat.env, LOG_LEVEL: 'warn' },
    });
    await Promise.race([
      untilReady(wechat.url),
      program.exit().then(() => assert.fail(`it ended:\n${program.stderr()}`)),
    ]);
    return program;
  };
  const archiveSome = async (count: number) => {
    for (let sent = 0; sent < count; sent++) await wechat.send({ kind: sent % 3 ? 'image' : 'voice' });
    return await until('all are archived', async () => {
      const found = await wechat.rows();
      return found.length >= count && found.every(({ status }) => status === 'archived') && found;
    });
  };
  const env = { WMA_URL: wechat.url, WMA_API_KEY: wechat.env.API_KEYS.replace('admin:', '') };

  const first = await start();
  const before = await archiveSome(4);
  await first.end('SIGTERM');
  await cp(database, backup, { recursive: true });
  const second = await start();
  await archiveSome(5);
  const all = await wechat.rows();
  assert.equal(all.length, 9);
  await second.end('SIGTERM');
  await rm(database, { recursive: true });
  await cp(backup, database, { recursive: true });

  const third = await start();
  assert.equal((await wechat.rows()).length, before.length, 'it has forgotten five');
  const orphans = await spawnWma(['verify', '--orphans', '--json'], { env });
  assert.equal(orphans.code, 1, orphans.stderr);
  assert.equal(orphans.json().counts.adoptable, 5);
  const adopted = await spawnWma(['verify', '--adopt', '--reason', 'restored from the backup', '--json'], {
    env,
  });
  assert.equal(adopted.code, 0, adopted.stderr);
  assert.equal(adopted.json().counts.adopted, 5);
  const verified = await spawnWma(['verify', '--all', '--json'], { env });
  assert.deepEqual([verified.code, verified.json().counts], [0, { ok: 9 }], verified.stderr);
  const pick = ({ id, mediaId, status, objectKey }: (typeof all)[number]) => ({
    id,
    mediaId,
    status,
    objectKey,
  });
  const byId = (rows: typeof all) => rows.map(pick).sort((a, b) => (a.id < b.id ? -1 : 1));
  assert.deepEqual(byId(await wechat.rows()), byId(all));
  for (const row of await wechat.rows('&include=link')) await wechat.assertStored(row);
  assert.deepEqual(await third.end('SIGTERM'), { code: 0, signal: null });
});
