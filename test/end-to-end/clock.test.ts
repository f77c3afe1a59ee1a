/** A worker process whose machine is four days ahead: it reports that, and does not affect others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../machine/server.ts';
import { postgresForTest, programForTest } from '../machine/services.ts';
import { foreignS3 } from './foreign-s3.ts';
import { folderForTest, startProgram, untilReady } from './programs.ts';
import { setup } from './wechat.ts';

const FOUR_DAYS_S = 4 * 86_400;

test('a worker four days ahead archives nothing, reports by how much, and holds no other worker', {
  timeout: 240_000,
}, async (t) => {
  const faketime = programForTest(t, 'faketime');
  const database = await postgresForTest(t);
  if (!faketime || !database) return;
  const { env: wechat, url, get, send, untilArchived, assertStored } = await setup(t);
  const s3 = await foreignS3(t);
  const folder = await folderForTest(t);
  const env = { ...wechat, ...s3.env, ALLOW_EMBEDDED: '', DATABASE_URL: database };
  // What the program would set for a command of its own.
  const { stdout } = await run(faketime, ['-m', '-f', '+4d', 'env']);
  const library = Object.fromEntries(
    stdout.split('\n').flatMap((line) => {
      const [, name, value] = /^(LD_PRELOAD|FAKETIME)=(.*)$/.exec(line) ?? [];
      return name ? [[name, value ?? '']] : [];
    }),
  );
  const server = startProgram(t, { file: 'src/server/main.ts', folder, env });
  await untilReady(url);
  const ahead = startProgram(t, { file: 'workers/archive.ts', folder, env: { ...env, ...library } });
  await ahead.untilOutput(/"worker: started"/);
  const id = await send({ kind: 'image' });
  assert.ok(id);
  const [, seconds] = await ahead.untilOutput(/this clock is (\d+) s ahead of the store's/);
  assert.ok(Math.abs(Number(seconds) - FOUR_DAYS_S) < 60);
  await ahead.untilOutput(/this machine's clock differs from the database's/);
  assert.doesNotMatch(ahead.stderr(), /archiving is held/);

  assert.equal((await get<{ hold: object | null }>('/v1/store')).hold, null);
  await ahead.end('SIGKILL');
  const right = startProgram(t, { file: 'workers/archive.ts', folder, env });
  const sweeper = startProgram(t, { file: 'workers/sweep.ts', folder, env });
  const row = await untilArchived(id);
  assert.equal(row.attempts, 1, 'a clock that is wrong costs no attempt');
  await assertStored(row);
  for (const program of [right, sweeper, server]) await program.end('SIGTERM');
});
