/** Everything in one process, killed or asked to go in the middle of its work, and started again. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { MessageSpec } from '../../src/simulator/callbacks/messages.ts';
import { folderForTest, startProgram, until, untilReady } from './programs.ts';
import { embeddedStore, setup as setupWechat } from './wechat.ts';

/** Half a minute on a quiet machine; there may be others at work on it. */
const LONG = { timeout: 240_000 };
const LARGE_BYTES = 30 * 1024 * 1024;
/** Half of it arrives, then nothing more: in the middle of an upload in parts, for as long as a test needs. */
const STUCK_ONCE: Omit<MessageSpec, 'account' | 'seed'> = {
  kind: 'video',
  sizeBytes: LARGE_BYTES,
  fault: { name: 'stall', times: 1 },
};

async function setup(t: TestContext) {
  const wechat = await setupWechat(t);
  const folder = await folderForTest(t);
  const start = async () => {
    const env = { ...wechat.env, SHUTDOWN_GRACE: '5s', LOG_LEVEL: 'warn' };
    const program = startProgram(t, { file: 'src/main.ts', folder, env });
    await Promise.race([
      untilReady(wechat.url),
      program.exit().then(() => assert.fail(`it ended:\n${program.stderr()}`)),
    ]);
    return program;
  };
  return { ...wechat, start, store: () => embeddedStore(t, join(folder, 'data')) };
}

test('kill -9 in a burst of media: all that was accepted is archived, once, whole', LONG, async (t) => {
  const { start, store, send, rows, untilRunning, assertStored } = await setup(t);
  const first = await start();
  const large = await send(STUCK_ONCE);
  assert.ok(large);
  await untilRunning(large);
  const before = await store();
  await until('an upload in parts is open', async () => (await before.openUploads()) === 1);

  const accepted = [large];
  let killed = false;
  const sending = (async () => {
    // On any machine: the burst lasts until the process is killed, and a little longer.
    for (let count = 1; count < 600 && !(killed && count > 60); count += 4) {
      const wishes = Array.from({ length: 4 }, (_, index) => index);
      const sent = await Promise.all(
        wishes.map((index) => send({ kind: index === 3 ? 'voice' : 'image' }).catch(() => undefined)),
      );
      accepted.push(...sent.filter((id) => id !== undefined));
    }
  })();
  await until('some are archived', async () => (await rows('&status=archived')).length >= 10);
  await first.end('SIGKILL');
  killed = true;

  // WeChat sends three times: a callback without response comes again, or is lost after three failures.
  const second = await start();
  await sending;
  assert.ok(accepted.length > 10);
  // A callback may be on disk without a response: its row must be archived, too.
  const archived = await until('nothing is left to do', async () => {
    const found = await rows('&include=link');
    return found.every(({ status }) => status === 'archived') && found;
  });
  for (const one of archived) await assertStored(one);
  const after = await store();
  assert.deepEqual((await after.keys()).sort(), archived.map(({ objectKey }) => objectKey).sort());
  assert.equal(await after.openUploads(), 0);
  assert.deepEqual(
    accepted.filter((id) => !archived.some((one) => one.id === id)),
    [],
  );
  assert.deepEqual(await second.end('SIGTERM'), { code: 0, signal: null });
});

test(
  'SIGTERM in the middle of a download: callbacks are taken until it ends within its grace, and no attempt is spent',
  LONG,
  async (t) => {
    const { url, start, store, send, untilRunning, untilArchived, assertStored } = await setup(t);
    const first = await start();
    const id = await send(STUCK_ONCE);
    assert.ok(id);
    await untilRunning(id);
    const askedAt = performance.now();
    const ending = first.end('SIGTERM');
    await until('it says that it closes', async () => (await fetch(`${url}/readyz`)).status === 503);
    const late = await send({ kind: 'image' });
    assert.ok(late);
    assert.deepEqual(await ending, { code: 0, signal: null });
    const tookMs = performance.now() - askedAt;
    assert.ok(tookMs < 30_000, `took ${tookMs} ms`);

    const second = await start();
    const row = await untilArchived(id);
    assert.equal(row.attempts, 1);
    await assertStored(row);
    await assertStored(await untilArchived(late));
    assert.equal(await (await store()).openUploads(), 0);
    assert.doesNotMatch(`${first.stderr()}${second.stderr()}`, /shutdown: step failed/);
  },
);
