/** Real pictures: JPEG as WeChat's are, now and then a PNG. */
import { crc32, deflateSync } from 'node:zlib';
import { COMMENT_BYTES, commentSegment, encodeJpeg } from './jpeg.ts';
import { type Painting, paintScene } from './landscape.ts';
import { keepLast } from './memoize.ts';
import { paddingOf } from './padding.ts';

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function pngChunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(content.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** Truecolour, every row filtered with Sub, which suits gradients. */
function encodePng(painting: Painting): { head: Buffer; rest: Buffer } {
  const { width, height, pixels } = painting;
  const stride = width * 3;
  const rows = Buffer.alloc((stride + 1) * height);
  for (let row = 0; row < height; row++) {
    rows[row * (stride + 1)] = 1;
    for (let at = 0; at < stride; at++) {
      const left = at < 3 ? 0 : pixels[row * stride + at - 3]!;
      rows[row * (stride + 1) + 1 + at] = pixels[row * stride + at]! - left;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  return {
    head: Buffer.concat([PNG_SIGNATURE, pngChunk('IHDR', header)]),
    rest: Buffer.concat([pngChunk('IDAT', deflateSync(rows)), pngChunk('IEND', Buffer.alloc(0))]),
  };
}

// Painting and encoding costs tens of milliseconds, so few scenes are made and kept (64 × about 30 KB); what makes
// the bytes of every seed different is the comment inside.
const SCENES = 64;
const PNG_EVERY = 8;
const imageOf = keepLast(SCENES, (scene) => {
  const painting = paintScene({ seed: scene, width: 640, height: 480 });
  return scene % PNG_EVERY === PNG_EVERY - 1 ? encodePng(painting) : encodeJpeg(painting);
});
const thumbOf = keepLast(SCENES, (scene) => encodeJpeg(paintScene({ seed: scene, width: 240, height: 176 })));

export interface Picture {
  readonly contentType: 'image/jpeg' | 'image/png';
  readonly extension: 'jpg' | 'png';
  readonly bytes: Buffer;
}

/** Exactly `sizeBytes` of comment segments or chunks, the first of which begins with the seed's own words. */
function commentsOf(png: boolean, seed: number, sizeBytes: number): Buffer {
  const words = Buffer.from(`simulated, seed ${seed}. `);
  const overheadBytes = png ? 12 : 4;
  const count = png ? 1 : Math.ceil(sizeBytes / (COMMENT_BYTES + overheadBytes)) || 1;
  const contentBytes = Math.max(words.length, sizeBytes - count * overheadBytes);
  const content = Buffer.concat([words, ...paddingOf(seed, contentBytes - words.length)]);
  // PNG: ancillary, private, safe to copy.
  if (png) return pngChunk('paDd', content);
  return Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      commentSegment(
        content.subarray(
          Math.floor((index * contentBytes) / count),
          Math.floor(((index + 1) * contentBytes) / count),
        ),
      ),
    ),
  );
}

/** A landscape of 640×480, or a thumb of 240×176; padded to `sizeBytes` by a comment where that is larger. */
export function pictureOf(kind: 'image' | 'thumb', seed: number, sizeBytes = 0): Picture {
  const scene = seed % SCENES;
  const { head, rest } = kind === 'image' ? imageOf(scene) : thumbOf(scene);
  const png = head[0] === PNG_SIGNATURE[0];
  return {
    ...(png
      ? { contentType: 'image/png', extension: 'png' }
      : { contentType: 'image/jpeg', extension: 'jpg' }),
    bytes: Buffer.concat([head, commentsOf(png, seed, sizeBytes - head.length - rest.length), rest]),
  };
}
