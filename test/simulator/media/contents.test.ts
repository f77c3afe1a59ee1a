import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { crc32, inflateSync } from 'node:zlib';
import { fileTypeFromBuffer } from 'file-type';
import { contentOf, digestOf } from '../../../src/simulator/media/contents.ts';
import { mintMediaId, SIMULATED_KINDS, type SimulatedKind } from '../../../src/simulator/media/media-id.ts';

const bytesOf = (kind: SimulatedKind, seed: number, sizeBytes?: number): Buffer => {
  const content = contentOf({ kind, seed, ...(sizeBytes !== undefined && { sizeBytes }) });
  const bytes = Buffer.concat([...content.chunks()]);
  assert.equal(bytes.length, content.sizeBytes);
  return bytes;
};

/** Returns marker and content of every segment up to the scan. */
function jpegSegments(bytes: Buffer): Map<number, Buffer> {
  const segments = new Map<number, Buffer>();
  let at = 2;
  while (bytes[at] === 0xff) {
    const length = bytes.readUInt16BE(at + 2);
    segments.set(bytes[at + 1]!, bytes.subarray(at + 4, at + 2 + length));
    if (bytes[at + 1] === 0xda) break;
    at += 2 + length;
  }
  return segments;
}

function boxTypes(bytes: Buffer): string[] {
  const types = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    assert.ok(length >= 8 && at + length <= bytes.length, `the box at ${at} ends inside the file`);
    types.push(bytes.toString('latin1', at + 4, at + 8));
    at += length;
  }
  return types;
}

describe('files of the simulator', () => {
  it('content sniffing recognises every kind of file', async () => {
    for (const [kind, seed, mime] of [
      ['image', 1, 'image/jpeg'],
      ['image', 7, 'image/png'],
      ['thumb', 1, 'image/jpeg'],
      ['voice', 1, 'audio/amr'],
      ['voice16k', 1, 'audio/amr'],
      ['video', 1, 'video/mp4'],
      ['shortvideo', 1, 'video/mp4'],
    ] as const)
      assert.equal((await fileTypeFromBuffer(bytesOf(kind, seed)))?.mime, mime, `${kind} ${seed}`);
  });

  it('files are the same for one seed and differ between seeds, also where they show the same picture', () => {
    for (const kind of SIMULATED_KINDS) {
      assert.ok(bytesOf(kind, 5).equals(bytesOf(kind, 5)), kind);
      const distinct = new Set(
        [5, 5 + 64, 5 + 128, 2 ** 31 + 5].map((seed) =>
          createHash('sha256').update(bytesOf(kind, seed)).digest('hex'),
        ),
      );
      assert.equal(distinct.size, 4, kind);
    }
  });

  it('a file has exactly the wanted size where that exceeds its natural size', () => {
    for (const [kind, seed] of [
      ['image', 1],
      ['image', 7],
      ['thumb', 2],
      ['video', 3],
    ] as const) {
      const natural = bytesOf(kind, seed).length;
      for (const sizeBytes of [
        natural,
        natural + 1,
        natural + 3,
        natural + 65_540,
        natural + 131_073,
        700_001,
      ])
        assert.equal(bytesOf(kind, seed, sizeBytes).length, sizeBytes, `${kind} ${seed}`);
      assert.ok(bytesOf(kind, seed, 1).length >= 1000, 'never smaller than its natural size');
    }
  });

  it('a padded JPEG has its size, its tables and an end', () => {
    for (const [kind, width, height] of [
      ['image', 480, 360],
      ['thumb', 240, 176],
    ] as const) {
      const bytes = bytesOf(kind, 2, 300_000);
      const segments = jpegSegments(bytes);
      for (const marker of [0xe0, 0xfe, 0xdb, 0xc0, 0xc4, 0xda])
        assert.ok(segments.has(marker), marker.toString(16));
      assert.equal(segments.get(0xc0)!.readUInt16BE(1), height);
      assert.equal(segments.get(0xc0)!.readUInt16BE(3), width);
      assert.equal(bytes.readUInt16BE(bytes.length - 2), 0xffd9);
    }
    assert.ok(bytesOf('thumb', 2).length < 64 * 1024, 'a thumb has at most 64 KB');
  });

  it('a padded PNG has right checksums and the pixels of its size', () => {
    const bytes = bytesOf('image', 15, 200_000);
    const types = [];
    let pixelBytes = 0;
    for (let at = 8; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at);
      const body = bytes.subarray(at + 4, at + 8 + length);
      assert.equal(crc32(body), bytes.readUInt32BE(at + 8 + length));
      types.push(body.toString('latin1', 0, 4));
      if (types.at(-1) === 'IDAT') pixelBytes = inflateSync(body.subarray(4)).length;
      at += 12 + length;
    }
    assert.deepEqual(types, ['IHDR', 'paDd', 'IDAT', 'IEND']);
    assert.equal(pixelBytes, 360 * (1 + 480 * 3));
  });

  it('every frame of a voice has a known type and its length, and the last frame is whole', () => {
    // RFC 4867 tables 1a and 1b, octet aligned: header byte and bits.
    const lengths = {
      voice: {
        magic: '#!AMR\n',
        frames: new Map([
          [7, 32],
          [0, 13],
        ]),
      },
      voice16k: {
        magic: '#!AMR-WB\n',
        frames: new Map([
          [2, 33],
          [0, 18],
        ]),
      },
    };
    for (const [kind, { magic, frames }] of Object.entries(lengths)) {
      const bytes = bytesOf(kind as SimulatedKind, 0xa5a5, 40_000);
      assert.equal(bytes.toString('latin1', 0, magic.length), magic);
      let at = magic.length;
      for (; at < bytes.length; at += frames.get(bytes[at]! >> 3) ?? Number.NaN)
        assert.equal(bytes[at]! & 0x87, 4, 'quality bit set, padding clear');
      assert.equal(at, bytes.length);
      assert.ok(bytes.length >= 40_000);
    }
  });

  it('a padded video has its index before its samples and the padding at the end', () => {
    assert.deepEqual(boxTypes(bytesOf('video', 4, 1_000_000)), ['ftyp', 'moov', 'mdat', 'free']);
  });

  it('a large video is created while it is read', () => {
    const content = contentOf({ kind: 'video', seed: 1, sizeBytes: 2 ** 32 - 1 });
    assert.equal(content.sizeBytes, 2 ** 32 - 1);
    let read = 0;
    for (const chunk of content.chunks()) {
      assert.ok(chunk.length < 1_000_000);
      read += chunk.length;
      if (read > 4_000_000) break;
    }
    assert.ok(read > 4_000_000);
  });

  it('digestOf returns size and sha256 of the file of a media id', async () => {
    const appId = 'wx0123456789abcdef';
    const mediaId = mintMediaId({
      kind: 'video',
      seed: 9,
      sizeBytes: 9_000_000,
      createdAt: new Date(),
      appId,
    });
    assert.deepEqual(await digestOf(mediaId, appId), {
      sha256: createHash('sha256')
        .update(bytesOf('video', 9, 9_000_000))
        .digest('hex'),
      sizeBytes: 9_000_000,
    });
    assert.equal(await digestOf(mediaId, 'wx1'), undefined);
  });
});
