/** The cache of previews on a real disk. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createPreviewCache, type PreviewCache } from '../../../src/preview/cache/preview-cache.ts';

const idOf = (number: number) => `m_${String(number).padStart(32, '0')}`;
const keyOf = (number: number) => ({ id: idOf(number), version: '1-abcdef', extension: 'webp' });
const bytesOf = (number: number, size = 3_000) => Buffer.alloc(size, number + 1);

async function setup(t: TestContext, limitBytes = 2 ** 20) {
  const parent = await mkdtemp(join(tmpdir(), 'wma-previews-'));
  t.after(() => rm(parent, { recursive: true, force: true }));
  const folder = join(parent, 'previews');
  const log: string[] = [];
  const sizes: number[] = [];
  const open = (limit = limitBytes) =>
    createPreviewCache({
      folder,
      limitBytes: limit,
      log: {
        info: (_: unknown, message?: string) => void log.push(message ?? ''),
        warn: (_: unknown, message?: string) => void log.push(message ?? ''),
      } as never,
      onChange: (bytes) => sizes.push(bytes),
    });
  return { folder, open, log, sizes, cache: open() };
}

async function read(cache: PreviewCache, number: number): Promise<Buffer | undefined> {
  const found = await cache.find(idOf(number), '1-abcdef');
  if (!found) return undefined;
  try {
    const bytes = await found.handle.readFile();
    assert.equal(bytes.length, found.sizeBytes);
    return bytes;
  } finally {
    await found.handle.close();
  }
}
const numbersIn = async (cache: PreviewCache) =>
  (await cache.ids()).map((id) => Number(id.slice(2))).toSorted();

describe('the cache of previews', () => {
  test('returns what was put, for the same item and version only', async (t) => {
    const { cache } = await setup(t);
    assert.equal(await read(cache, 1), undefined);
    assert.equal(await cache.put(keyOf(1), bytesOf(1)), true);
    assert.deepEqual(await read(cache, 1), bytesOf(1));
    assert.equal(await read(cache, 2), undefined);
    assert.equal(await cache.find(idOf(1), '1-abcdee'), undefined);
  });

  test('replaces a preview by a later one of the same version', async (t) => {
    const { cache, folder } = await setup(t);
    await cache.put(keyOf(1), bytesOf(1));
    await cache.put(keyOf(1), bytesOf(7));
    assert.deepEqual(await read(cache, 1), bytesOf(7));
    assert.equal((await readdir(folder)).length, 1);
  });

  test('removes what was used longest ago when it is full, and counts whole blocks', async (t) => {
    const { cache, folder, sizes } = await setup(t, 3 * 4_096);
    for (const number of [1, 2, 3]) await cache.put(keyOf(number), bytesOf(number));
    await read(cache, 1);
    await cache.put(keyOf(4), bytesOf(4));
    assert.deepEqual(await numbersIn(cache), [1, 3, 4]);
    await cache.put(keyOf(5), bytesOf(5, 8_000));
    assert.deepEqual(await numbersIn(cache), [4, 5]);
    assert.equal((await readdir(folder)).length, 2);
    assert.equal(sizes.at(-1), 3 * 4_096);
    assert.ok(Math.max(...sizes) <= 3 * 4_096);
  });

  test('does not store what is larger than all of it', async (t) => {
    const { cache } = await setup(t, 8_192);
    await cache.put(keyOf(1), bytesOf(1));
    assert.equal(await cache.put(keyOf(2), bytesOf(2, 8_193)), false);
    assert.deepEqual(await numbersIn(cache), [1]);
  });

  test('survives a restart, with the order of use', async (t) => {
    const { cache, folder, open } = await setup(t);
    for (const number of [1, 2, 3]) await cache.put(keyOf(number), bytesOf(number));
    for (const name of await readdir(folder)) {
      const number = Number(name.slice(2, 34));
      await utimes(
        join(folder, name),
        1_000 + (number === 1 ? 900 : number),
        1_000 + (number === 1 ? 900 : number),
      );
    }
    const later = open(2 * 4_096);
    assert.deepEqual(await numbersIn(later), [1, 3]);
    assert.deepEqual(await read(later, 1), bytesOf(1));
    assert.ok(Date.now() - (await stat(join(folder, (await readdir(folder))[0] as string))).mtimeMs < 60_000);
  });

  test('removes what a crash left half written, and files of others', async (t) => {
    const { cache, folder, open } = await setup(t);
    await cache.put(keyOf(1), bytesOf(1));
    const [name] = await readdir(folder);
    for (const left of ['4711-3.new', 'notes.txt']) {
      await writeFile(join(folder, left), 'half');
      await utimes(join(folder, left), 1_000, 1_000);
    }
    await writeFile(join(folder, `${idOf(2)}.1-abcdef.3000.${'0'.repeat(32)}.webp`), 'too short');
    await writeFile(join(folder, '4712-1.new'), 'another server writes this now');
    assert.deepEqual(await numbersIn(open()), [1]);
    assert.deepEqual((await readdir(folder)).toSorted(), ['4712-1.new', name].toSorted());
  });

  test('does not serve a file that was cut, and one whose bytes have changed', async (t) => {
    const { cache, folder, open, log } = await setup(t);
    await cache.put(keyOf(1), bytesOf(1));
    const path = join(folder, (await readdir(folder))[0] as string);
    await truncate(path, 100);
    assert.equal(await read(cache, 1), undefined);
    assert.deepEqual(await readdir(folder), []);
    await cache.put(keyOf(1), bytesOf(1));
    const changed = await readFile(path);
    changed[1_500] = 99;
    await writeFile(path, changed);
    assert.equal(await read(open(), 1), undefined);
    assert.deepEqual(await readdir(folder), []);
    assert.equal(log.filter((line) => line.includes('damaged')).length, 2);
  });

  test('misses a file that another program has removed', async (t) => {
    const { cache, folder } = await setup(t);
    await cache.put(keyOf(1), bytesOf(1));
    await rm(join(folder, (await readdir(folder))[0] as string));
    assert.equal(await read(cache, 1), undefined);
    assert.deepEqual(await cache.ids(), []);
  });

  test('finds, bounds and removes what another server has put into the same folder', async (t) => {
    const { cache, folder, open } = await setup(t, 3 * 4_096);
    const other = open();
    await cache.put(keyOf(1), bytesOf(1));
    await other.put(keyOf(2), bytesOf(2));
    await other.put(keyOf(3), bytesOf(3));
    assert.equal(await read(cache, 3), undefined);
    assert.deepEqual(await numbersIn(cache), [1, 2, 3]);
    assert.deepEqual(await read(cache, 3), bytesOf(3));
    await cache.put(keyOf(4), bytesOf(4));
    assert.equal((await readdir(folder)).length, 3);
    await cache.remove([idOf(3)]);
    assert.equal(await read(other, 3), undefined);
    assert.deepEqual(await numbersIn(other), await numbersIn(cache));
  });

  test('removes all previews of an item, and none of another', async (t) => {
    const { cache, folder } = await setup(t);
    await cache.put(keyOf(1), bytesOf(1));
    await cache.put({ ...keyOf(1), version: '2-abcdef' }, bytesOf(1));
    await cache.put(keyOf(2), bytesOf(2));
    await cache.remove([idOf(1), idOf(9)]);
    assert.deepEqual(await numbersIn(cache), [2]);
    assert.equal((await readdir(folder)).length, 1);
  });

  test('with a limit of 0 stores nothing and removes what was stored before', async (t) => {
    const { cache, folder, open } = await setup(t);
    await cache.put(keyOf(1), bytesOf(1));
    const off = open(0);
    assert.equal(await read(off, 1), undefined);
    await assert.rejects(stat(folder), { code: 'ENOENT' });
    assert.equal(await off.put(keyOf(2), bytesOf(2)), false);
    assert.deepEqual(await off.ids(), []);
    await assert.rejects(stat(folder), { code: 'ENOENT' });
  });

  test('that cannot be written to is no error of a request, is logged once, and works again later', async (t) => {
    const { cache, folder, log } = await setup(t);
    await writeFile(folder, 'a file in the place of the folder');
    for (const number of [1, 2, 3]) {
      assert.equal(await cache.put(keyOf(number), bytesOf(number)), false);
      assert.equal(await read(cache, number), undefined);
    }
    assert.equal(log.length, 1);
    await rm(folder);
    assert.equal(await cache.put(keyOf(1), bytesOf(1)), true);
    assert.deepEqual(await read(cache, 1), bytesOf(1));
    assert.match(log.at(-1) ?? '', /usable again/);
  });

  test('has files that only its user may read', async (t) => {
    const { cache, folder } = await setup(t);
    await cache.put(keyOf(1), bytesOf(1));
    const path = join(folder, (await readdir(folder))[0] as string);
    assert.deepEqual([(await stat(folder)).mode & 0o777, (await stat(path)).mode & 0o777], [0o700, 0o600]);
  });
});
