/** Pictures: JPEG as WeChat's are, and a PNG for one seed in eight. A comment inside makes every seed another file. */
import { crc32 } from 'node:zlib';
import { loadFixture } from './fixtures.ts';
import { paddingOf } from './padding.ts';

const PICTURES = 8;
const PNG_PICTURE = 7;
const THUMBS = 4;

export interface Picture {
  readonly contentType: 'image/jpeg' | 'image/png';
  readonly extension: 'jpg' | 'png';
  readonly bytes: Buffer;
}

/** A picture format: where a comment goes, and how it is written. */
interface Format {
  readonly contentType: Picture['contentType'];
  readonly extension: Picture['extension'];
  /** The bytes before the comment. */
  readonly headBytes: number;
  /** Length and type, and the checksum of a PNG chunk. */
  readonly commentOverheadBytes: number;
  readonly commentBytesMax: number;
  comment(content: Buffer): Buffer;
}

const JPEG: Format = {
  contentType: 'image/jpeg',
  extension: 'jpg',
  // Start of image (2 bytes) and the JFIF segment.
  headBytes: 20,
  commentOverheadBytes: 4,
  commentBytesMax: 65_533,
  comment(content) {
    const head = Buffer.from([0xff, 0xfe, 0, 0]);
    head.writeUInt16BE(content.length + 2, 2);
    return Buffer.concat([head, content]);
  },
};

const PNG: Format = {
  contentType: 'image/png',
  extension: 'png',
  // Signature (8 bytes) and the IHDR chunk.
  headBytes: 33,
  commentOverheadBytes: 12,
  commentBytesMax: Number.POSITIVE_INFINITY,
  comment(content) {
    // `paDd` by its letters: ancillary, private, safe to copy.
    const body = Buffer.concat([Buffer.from('paDd'), content]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(content.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  },
};

/** Returns comments of `sizeBytes` together, or as many bytes as the seed's own text needs. */
function commentsOf(format: Format, seed: number, sizeBytes: number): Buffer {
  const { commentOverheadBytes, commentBytesMax } = format;
  const text = Buffer.from(`simulated, seed ${seed}. `);
  const count = Math.max(1, Math.ceil(sizeBytes / (commentBytesMax + commentOverheadBytes)));
  const contentBytes = Math.max(text.length, sizeBytes - count * commentOverheadBytes);
  const content = Buffer.concat([text, ...paddingOf(seed, contentBytes - text.length)]);
  const startOf = (index: number) => Math.floor((index * contentBytes) / count);
  const parts = Array.from({ length: count }, (_, index) =>
    format.comment(content.subarray(startOf(index), startOf(index + 1))),
  );
  return Buffer.concat(parts);
}

/** Returns a picture of 480×360 or a thumb of 240×176, padded to `sizeBytes` by comments where that is larger. */
export function pictureOf(kind: 'image' | 'thumb', seed: number, sizeBytes = 0): Picture {
  const format = kind === 'image' && seed % PICTURES === PNG_PICTURE ? PNG : JPEG;
  const name = kind === 'image' ? `picture-${seed % PICTURES}` : `thumb-${seed % THUMBS}`;
  const picture = loadFixture(`${name}.${format.extension}`);
  const comments = commentsOf(format, seed, sizeBytes - picture.length);
  const [head, rest] = [picture.subarray(0, format.headBytes), picture.subarray(format.headBytes)];
  return {
    contentType: format.contentType,
    extension: format.extension,
    bytes: Buffer.concat([head, comments, rest]),
  };
}
