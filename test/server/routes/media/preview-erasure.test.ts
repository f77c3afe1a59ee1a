/** Erasure removes previews on every server of a catalogue. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { parseApiKeys } from '../../../../src/config/api-keys.ts';
import { createLifetimes } from '../../../../src/runtime/clock.ts';
import { openServer } from '../../../../src/server/start.ts';
import { KEYS, openTestServer, reference, type TestServer } from '../../setup.ts';
import { AMR, archive, bytesOf, cachedIn, preview, previewAt, problemOf, voice } from './preview-items.ts';

async function untilNotCached(folder: string, id: string): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while ((await cachedIn(folder)).some((name) => name.startsWith(id))) {
    if (performance.now() > giveUpAt) throw new Error(`a preview of ${id} is still in ${folder}`);
    await wait(10);
  }
}
const isCached = async (folder: string, id: string) =>
  (await cachedIn(folder)).some((name) => name.startsWith(id));

describe('erasure', () => {
  let s: TestServer;
  const folders: string[] = [];
  before(async () => {
    s = await openTestServer();
  });
  after(async () => {
    await s.close();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });

  async function newFolder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'wma-second-'));
    folders.push(folder);
    return folder;
  }

  /** Another server on the same catalogue and store, with a DATA_DIR of its own. */
  async function openSecond(folder: string, timeScale: number): Promise<string> {
    const keys = parseApiKeys(`read:${KEYS.read}`);
    assert.ok('value' in keys);
    const { config } = s.context;
    const { mediaLifetimeMs } = config.lifetimes;
    const { url } = await openServer(
      {
        ...s.context,
        config: { ...config, dataFolder: folder },
        lifetimes: createLifetimes({ mediaLifetimeMs, timeScale }),
      },
      { keys: keys.value },
    );
    return url;
  }

  it('of one item removes its preview at once, and neither server shows it any more', async () => {
    // With this scale the check of each minute comes every 50 ms.
    const folder = await newFolder();
    const url = await openSecond(folder, 1_200);
    const id = await archive(s, voice(AMR));
    const kept = await archive(s, voice(AMR));
    for (const one of [id, kept]) {
      await bytesOf(await preview(s, one));
      await bytesOf(await previewAt(url, one));
    }
    assert.deepEqual([await isCached(s.folder, id), await isCached(folder, id)], [true, true]);
    const erased = await s.call(`/v1/media/${id}`, { method: 'DELETE', key: 'admin' });
    assert.equal(erased.status, 200);
    for (const response of [await preview(s, id), await previewAt(url, id)])
      assert.deepEqual(await problemOf(response), [410, 'media_gone', undefined]);
    await untilNotCached(s.folder, id);
    await untilNotCached(folder, id);
    assert.deepEqual([await isCached(s.folder, kept), await isCached(folder, kept)], [true, true]);
  });

  it('of a user removes the previews of all items', async () => {
    const ids = [];
    for (let count = 0; count < 3; count++)
      ids.push(await s.createArchived(reference({ kind: 'voice', openId: 'o-of-the-user' }), voice(AMR)));
    for (const id of ids) await bytesOf(await preview(s, id));
    const body = { account: 'shop', openId: 'o-of-the-user', reason: 'request 4711' };
    await s.json('/v1/erasures', { key: 'admin', json: body });
    for (const id of ids) await untilNotCached(s.folder, id);
  });

  it('while a server does not run is made up for at its next start', async () => {
    const folder = await newFolder();
    const url = await openSecond(folder, 1);
    const id = await archive(s, voice(AMR));
    await bytesOf(await previewAt(url, id));
    const erased = await s.call(`/v1/media/${id}`, { method: 'DELETE', key: 'admin' });
    assert.equal(erased.status, 200);
    assert.ok(await isCached(folder, id), 'the check of this server comes in a minute');
    await openSecond(folder, 1);
    await untilNotCached(folder, id);
  });
});
