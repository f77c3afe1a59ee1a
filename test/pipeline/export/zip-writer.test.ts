/** The ZIP as other programs read it: many entries, ZIP64, and streams that break off. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createZipWriter } from '../../../src/pipeline/export/zip-writer.ts';
import { eventually } from '../../queue/handled.ts';
import { openZipFolder, readAll, type ZipFolder } from './zip.ts';

const AT = new Date('2026-05-01T12:00:00Z');
const never = new AbortController().signal;

async function* inChunks(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

describe('a ZIP writer', () => {
  let zips: ZipFolder;
  before(async () => {
    zips = await openZipFolder();
  });
  after(() => zips.remove());

  for (const forceZip64 of [false, true]) {
    it(`writes what other programs read${forceZip64 ? ', in the format ZIP64 too' : ''}`, async () => {
      const zip = createZipWriter({ signal: never, forceZip64 });
      const [small, large] = [randomBytes(1_000), randomBytes(3_000_000)];
      const written = zips.write(zip.stream);
      await zip.addBuffer('a/small.bin', small, AT);
      await zip.addStream('a/large.bin', inChunks(large), { sizeBytes: large.length, at: AT });
      await zip.addBuffer('a/empty.bin', Buffer.alloc(0), AT);
      await zip.addText('目录.csv', [Buffer.from('甲,'), Buffer.from('乙')], AT);
      zip.end();
      const file = await written;
      assert.equal(await zips.isValid(file), true);
      assert.deepEqual(await zips.read(file, 'a/small.bin'), small);
      assert.deepEqual(await zips.read(file, 'a/large.bin'), large);
      const entries = await zips.entries(file);
      assert.deepEqual(
        entries.map(({ path, size, utf8 }) => [path, size, utf8]),
        [
          ['a/small.bin', 1_000, true],
          ['a/large.bin', 3_000_000, true],
          ['a/empty.bin', 0, true],
          ['目录.csv', 7, true],
        ],
      );
    });
  }

  it('writes more entries than the old format can count', async () => {
    const zip = createZipWriter({ signal: never });
    const written = zips.write(zip.stream);
    const count = 66_000;
    const bytes = Buffer.from('x');
    for (let n = 0; n < count; n++) await zip.addBuffer(`d/${n}.bin`, bytes, AT);
    zip.end();
    const file = await written;
    assert.equal(await zips.isValid(file), true);
    assert.equal((await zips.entries(file)).length, count);
  });

  it('keeps no bytes of the files that it has written', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const usedBytes = () => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    const zip = createZipWriter({ signal: never });
    zip.stream.resume();
    const before = usedBytes();
    for (let n = 0; n < 500; n++) await zip.addBuffer(`${n}.bin`, randomBytes(200_000), AT);
    // Small ones lie in slabs that Node shares among buffers.
    for (let n = 0; n < 20_000; n++) await zip.addBuffer(`s${n}.bin`, Buffer.from('x'.repeat(1_000)), AT);
    let keptBytes = Number.POSITIVE_INFINITY;
    await eventually('the memory is free', async () => {
      keptBytes = usedBytes() - before;
      return keptBytes < 10_000_000;
    });
    assert.ok(keptBytes < 10_000_000, `${keptBytes} bytes of 120 MB`);
    zip.end();
  });

  it('does not run ahead of its reader', async () => {
    const zip = createZipWriter({ signal: never });
    const bytes = randomBytes(100_000);
    let added = 0;
    const adding = (async () => {
      for (; added < 500; added++) await zip.addBuffer(`${added}.bin`, bytes, AT);
      zip.end();
    })();
    // Nothing has been read: after some turns of the event loop it waits.
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(added < 20, `${added} entries in memory`);
    const all = await readAll(zip.stream);
    await adding;
    assert.equal(await zips.isValid(await zips.write(all)), true);
  });

  it('is never a valid ZIP when a source is too short, too long or fails, or when it is aborted', async () => {
    const large = randomBytes(2_000_000);
    const broken = async function* () {
      yield large.subarray(0, 1_000_000);
      throw new Error('the store is gone');
    };
    const closing = new AbortController();
    const cases: [string, AsyncIterable<Buffer>, number, AbortSignal][] = [
      ['too short', inChunks(large), large.length + 1, never],
      ['too long', inChunks(large), large.length - 1, never],
      ['fails', broken(), large.length, never],
      ['aborted', inChunks(large), large.length, closing.signal],
    ];
    for (const [name, source, sizeBytes, signal] of cases) {
      const zip = createZipWriter({ signal });
      const chunks: Buffer[] = [];
      const reading = (async () => {
        for await (const chunk of zip.stream) {
          chunks.push(chunk as Buffer);
          if (name === 'aborted') closing.abort(new Error('the server shuts down'));
        }
      })().then(
        () => 'whole',
        () => 'broken',
      );
      const write = async () => {
        await zip.addBuffer('first.bin', Buffer.from('first'), AT);
        await zip.addStream('second.bin', source, { sizeBytes, at: AT });
        await zip.addText('manifest.csv', [Buffer.from('x')], AT);
        zip.end();
      };
      await write().catch((error: Error) => zip.stream.destroy(error));
      assert.equal(await reading, 'broken', name);
      const bytes = Buffer.concat(chunks);
      assert.ok(!bytes.includes(Buffer.from('PK\x05\x06')), `${name}: no end of a central directory`);
      assert.equal(await zips.isValid(await zips.write(bytes)), false, name);
    }
  });
});
