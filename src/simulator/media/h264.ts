/**
 * An H.264 encoder (ITU-T H.264, constrained baseline) without compression: changed macroblocks are sent as raw
 * samples (I_PCM), unchanged ones are skipped. Any player opens it, and a sun that moves over a still landscape
 * costs a few kilobytes a frame.
 */
import type { Painting } from './landscape.ts';

const MACROBLOCK_BYTES = 384;

/** Bits, most significant first. */
function createBits(capacityBytes: number) {
  const bytes = Buffer.alloc(capacityBytes);
  let position = 0;
  return {
    /** u(n) */
    fixed(value: number, bits: number): void {
      for (let bit = bits - 1; bit >= 0; bit--, position++)
        if ((value >>> bit) & 1) bytes[position >> 3]! |= 0x80 >> (position & 7);
    },
    /** ue(v): Exp-Golomb */
    golomb(value: number): void {
      const bits = 32 - Math.clz32(value + 1);
      this.fixed(0, bits - 1);
      this.fixed(value + 1, bits);
    },
    /** Bytes at the next byte boundary. */
    raw(content: Uint8Array): void {
      position = (position + 7) & ~7;
      bytes.set(content, position >> 3);
      position += content.length * 8;
    },
    /** With the stop bit, and 03 put after every 00 00 that could look like a start code. */
    finish(): Buffer {
      this.fixed(1, 1);
      const plain = bytes.subarray(0, (position + 7) >> 3);
      const escaped: Buffer[] = [];
      let from = 0;
      for (let at = 2; at < plain.length; at++) {
        if (plain[at]! > 3 || plain[at - 1] !== 0 || plain[at - 2] !== 0 || at < from + 2) continue;
        escaped.push(plain.subarray(from, at), Buffer.from([3]));
        from = at;
      }
      return Buffer.concat([...escaped, plain.subarray(from)]);
    },
  };
}

const unit = (header: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([header]), body]);

/** The samples of every macroblock in BT.601: 256 luma, 64 blue, 64 red. Kept off 0, so raw samples need no escape. */
function macroblocksOf({ width, height, pixels }: Painting): Buffer[] {
  const blocks: Buffer[] = [];
  for (let top = 0; top < height; top += 16) {
    for (let left = 0; left < width; left += 16) {
      const block = Buffer.alloc(MACROBLOCK_BYTES);
      for (let row = 0; row < 16; row++) {
        for (let column = 0; column < 16; column++) {
          const at = ((top + row) * width + left + column) * 3;
          const [red, green, blue] = [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!];
          block[row * 16 + column] = Math.round(16 + 0.257 * red + 0.504 * green + 0.098 * blue);
          if (row % 2 || column % 2) continue;
          const chroma = (row / 2) * 8 + column / 2;
          block[256 + chroma] = Math.round(128 - 0.148 * red - 0.291 * green + 0.439 * blue);
          block[320 + chroma] = Math.round(128 + 0.439 * red - 0.368 * green - 0.071 * blue);
        }
      }
      blocks.push(block);
    }
  }
  return blocks;
}

/** §7.4.2: baseline, level 3, frames in display order, one reference. */
function parameterSets(width: number, height: number): { sequence: Buffer; picture: Buffer } {
  const sequence = createBits(32);
  sequence.fixed(0x42c01e, 24); // profile 66, constrained, level 30
  for (const value of [0, 4, 2, 1]) sequence.golomb(value); // id, 8 bits of frame_num, order type 2, references
  sequence.fixed(0, 1);
  sequence.golomb(width / 16 - 1);
  sequence.golomb(height / 16 - 1);
  sequence.fixed(0b1100, 4); // frames only, direct 8x8; no cropping, no usability information
  const picture = createBits(16);
  for (const value of [0, 0]) picture.golomb(value);
  picture.fixed(0b00, 2); // CAVLC
  for (const value of [0, 0, 0]) picture.golomb(value);
  picture.fixed(0b000, 3); // no weighted prediction
  for (const value of [0, 0, 0]) picture.golomb(value);
  picture.fixed(0b100, 3); // deblocking is controlled by the slice
  return { sequence: unit(0x67, sequence.finish()), picture: unit(0x68, picture.finish()) };
}

export interface EncodedFilm {
  readonly sequence: Buffer;
  readonly picture: Buffer;
  /** One NAL unit a frame, without start code; the first can be decoded by itself. */
  readonly frames: readonly Buffer[];
}

/** Encodes up to 256 paintings of one size, in whole macroblocks of 16×16. */
export function encodeFilm(paintings: Iterable<Painting>): EncodedFilm {
  const frames: Buffer[] = [];
  let sets: { sequence: Buffer; picture: Buffer } | undefined;
  let previous: Buffer[] = [];
  for (const painting of paintings) {
    sets ??= parameterSets(painting.width, painting.height);
    const blocks = macroblocksOf(painting);
    const first = frames.length === 0;
    const bits = createBits(64 + blocks.length * (MACROBLOCK_BYTES + 4));
    bits.golomb(0); // first macroblock
    bits.golomb(first ? 7 : 5); // all slices I, or P
    bits.golomb(0);
    bits.fixed(frames.length, 8);
    if (first) bits.golomb(0); // idr_pic_id
    bits.fixed(0, 2); // first: no long-term reference; else: default reference list
    if (!first) bits.fixed(0, 1); // sliding window
    bits.golomb(0); // quantiser as it is
    bits.golomb(1); // no deblocking
    let skipped = 0;
    blocks.forEach((block, index) => {
      if (!first && block.equals(previous[index]!)) {
        skipped++;
        return;
      }
      if (!first) bits.golomb(skipped);
      skipped = 0;
      bits.golomb(first ? 25 : 30); // I_PCM
      bits.raw(block);
    });
    if (skipped > 0) bits.golomb(skipped);
    frames.push(unit(first ? 0x65 : 0x41, bits.finish()));
    previous = blocks;
  }
  if (!sets) throw new RangeError('a film needs a frame');
  return { ...sets, frames };
}
