/** Thumbnails, made by the real libvips. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { PreviewRefusedError } from '../../../src/preview/reasons.ts';
import { pictureOf } from '../../../src/simulator/media/pictures.ts';
import { pngClaiming } from '../samples.ts';

// Other formats are made first: the import of the converter blocks them in this process too.
const source = (width: number, height: number): Sharp =>
  sharp({ create: { width, height, channels: 3, background: '#c04020' } });
const others = {
  tiff: await source(50, 50).tiff().toBuffer(),
  avif: await source(50, 50).avif().toBuffer(),
  svg: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="5"/></svg>'),
  bmp: Buffer.concat([Buffer.from('BM'), Buffer.alloc(200)]),
  pdf: Buffer.from('%PDF-1.4\n%%EOF'),
};
const { convertPicture } = await import('../../../src/preview/converter/picture.ts');

const refusalOf = async (bytes: Buffer) => {
  const error = await convertPicture(bytes).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof PreviewRefusedError, String(error));
  return error.reason;
};
const sizeOf = async (webp: Buffer) => {
  const { width, height, format } = await sharp(webp).metadata();
  return [format, width, height];
};

describe('a thumbnail', () => {
  for (const format of ['jpeg', 'png', 'webp', 'gif'] as const) {
    test(`of a picture in ${format} is a WebP of 320 pixels`, async () => {
      const picture = await source(640, 400)[format]().toBuffer();
      assert.deepEqual(await sizeOf(await convertPicture(picture)), ['webp', 320, 200]);
    });
  }

  test('of a picture of the simulator can be shown', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const [format, width = 0, height = 0] = await sizeOf(
        await convertPicture(pictureOf('image', seed).bytes),
      );
      assert.equal(format, 'webp');
      assert.ok(Math.max(Number(width), Number(height)) <= 320);
    }
  });

  test('of a small picture is not enlarged', async () => {
    assert.deepEqual(await sizeOf(await convertPicture(await source(20, 30).png().toBuffer())), [
      'webp',
      20,
      30,
    ]);
  });

  test('of a very long picture has at least one pixel', async () => {
    const picture = await source(10_000, 2).png().toBuffer();
    assert.deepEqual(await sizeOf(await convertPicture(picture)), ['webp', 320, 1]);
  });

  test('stands upright as EXIF says, and has no metadata of the picture', async () => {
    const picture = await source(400, 200)
      .withExif({ IFD0: { Copyright: 'a name' }, IFD3: { GPSLatitude: '39/1 54/1 0/1' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    assert.ok((await sharp(picture).metadata()).exif);
    const thumbnail = await convertPicture(picture);
    assert.deepEqual(await sizeOf(thumbnail), ['webp', 160, 320]);
    const { exif, xmp, iptc, orientation } = await sharp(thumbnail).metadata();
    assert.deepEqual([exif, xmp, iptc, orientation], [undefined, undefined, undefined, undefined]);
  });

  test('of a moving picture is its first frame', async () => {
    const frames = await Promise.all(
      ['#ff0000', '#0000ff'].map((background) =>
        sharp({ create: { width: 60, height: 60, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const moving = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    assert.equal((await sharp(moving).metadata()).pages, 2);
    const thumbnail = await convertPicture(moving);
    assert.equal((await sharp(thumbnail).metadata()).pages, undefined);
    const { channels } = await sharp(thumbnail).stats();
    assert.ok((channels[0]?.mean ?? 0) > 200 && (channels[2]?.mean ?? 255) < 50);
  });

  test('of a picture that was cut shows what there is', async () => {
    const noise = await sharp({
      create: {
        width: 640,
        height: 640,
        channels: 3,
        background: '#808080',
        noise: { type: 'gaussian', mean: 128, sigma: 40 },
      },
    })
      .jpeg()
      .toBuffer();
    assert.deepEqual(await sizeOf(await convertPicture(noise.subarray(0, noise.length / 2))), [
      'webp',
      320,
      320,
    ]);
  });
});

describe('a picture is refused', () => {
  test('if its header claims 65,000 × 65,000 pixels', async () => {
    assert.equal(await refusalOf(pngClaiming(65_000, 65_000)), 'too_many_pixels');
  });

  for (const [format, bytes] of Object.entries(others)) {
    test(`if it is ${format}, whatever its name`, async () =>
      assert.equal(await refusalOf(bytes), 'damaged'));
  }

  test('if only its first bytes are those of a picture', async () => {
    for (const start of ['\xff\xd8\xff\xe0', '\x89PNG\r\n\x1a\n', 'GIF89a', 'RIFF\x40\x00\x00\x00WEBPVP8 '])
      assert.equal(
        await refusalOf(Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(60)])),
        'damaged',
      );
  });

  test('if it is empty', async () => assert.equal(await refusalOf(Buffer.alloc(0)), 'damaged'));
});
