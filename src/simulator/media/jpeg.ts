/** A baseline JPEG encoder (ITU T.81), just large enough for the simulator's pictures: 4:4:4, sizes in whole blocks. */
import type { Painting } from './landscape.ts';

/** Position in the zigzag → position in the block. */
const ZIGZAG = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46,
  53, 60, 61, 54, 47, 55, 62, 63,
] as const;
/** Coarser for higher frequencies; in zigzag order. */
const QUANTISERS = Uint8Array.from({ length: 64 }, (_, index) => 4 + Math.round(index * 0.9));

interface Huffman {
  /** How many codes of 1, 2, … 16 bits. */
  readonly counts: Uint8Array;
  readonly symbols: readonly number[];
  readonly codes: ReadonlyMap<number, { code: number; bits: number }>;
}

/** Codes by length, as DHT lists them. */
function createHuffman(byLength: Readonly<Record<number, readonly number[]>>): Huffman {
  const counts = new Uint8Array(16);
  const symbols: number[] = [];
  const codes = new Map<number, { code: number; bits: number }>();
  let code = 0;
  for (let bits = 1; bits <= 16; bits++) {
    for (const symbol of byLength[bits] ?? []) {
      counts[bits - 1]!++;
      symbols.push(symbol);
      codes.set(symbol, { code: code++, bits });
    }
    code <<= 1;
  }
  return { counts, symbols, codes };
}

const DC = createHuffman({ 4: Array.from({ length: 12 }, (_, category) => category) });
// Our own table instead of the four of Annex K: short codes for what landscapes are made of, ten bits for the rest.
const FREQUENT = { 2: [0x00, 0x01], 3: [0x02], 4: [0x03, 0x11], 5: [0x04, 0x12, 0x21] };
const AC = createHuffman({
  ...FREQUENT,
  10: Array.from({ length: 160 }, (_, index) => (Math.floor(index / 10) << 4) | ((index % 10) + 1))
    .concat(0xf0)
    .filter((symbol) => !Object.values(FREQUENT).flat().includes(symbol)),
});

const COSINES = Float64Array.from({ length: 64 }, (_, index) => {
  const [frequency, place] = [index >> 3, index & 7];
  return (frequency === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * place + 1) * frequency * Math.PI) / 16);
});

/** The forward transform of 64 samples, rows then columns. */
function transform(samples: Float64Array, scratch: Float64Array): void {
  for (const [from, into] of [
    [samples, scratch],
    [scratch, samples],
  ] as const) {
    for (let line = 0; line < 8; line++) {
      for (let frequency = 0; frequency < 8; frequency++) {
        let sum = 0;
        for (let place = 0; place < 8; place++)
          sum += from[line * 8 + place]! * COSINES[frequency * 8 + place]!;
        into[frequency * 8 + line] = sum; // transposed: the second pass turns it back
      }
    }
  }
}

/** Bits, most significant first, each FF followed by 00 as the entropy-coded segment wants it. */
function createBitWriter(capacityBytes: number) {
  const bytes = Buffer.alloc(capacityBytes);
  let length = 0;
  let held = 0;
  let heldBits = 0;
  return {
    write(value: number, bits: number): void {
      held = (held << bits) | value;
      heldBits += bits;
      while (heldBits >= 8) {
        heldBits -= 8;
        const byte = (held >> heldBits) & 0xff;
        bytes[length++] = byte;
        if (byte === 0xff) bytes[length++] = 0;
        held &= (1 << heldBits) - 1;
      }
    },
    finish(): Buffer {
      if (heldBits > 0) this.write((1 << (8 - heldBits)) - 1, 8 - heldBits);
      return bytes.subarray(0, length);
    },
  };
}

const segment = (marker: number, ...body: (number | Uint8Array | readonly number[])[]): Buffer => {
  const content = Buffer.concat(
    body.map((part) => Buffer.from(typeof part === 'number' ? [part] : [...part])),
  );
  return Buffer.concat([
    Buffer.from([0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 0xff]),
    content,
  ]);
};

/** The most a comment segment can hold. */
export const COMMENT_BYTES = 65_533;
export const commentSegment = (content: Buffer): Buffer => segment(0xfe, content);

/** Splits the picture in two, so that comments can be put between: `head` ends after the JFIF segment. */
export function encodeJpeg(painting: Painting): { head: Buffer; rest: Buffer } {
  const { width, height, pixels } = painting;
  const writer = createBitWriter(width * height * 3);
  const put = (table: Huffman, symbol: number, value: number, category: number) => {
    const { code, bits } = table.codes.get(symbol)!;
    writer.write(code, bits);
    if (category > 0) writer.write(value < 0 ? value + (1 << category) - 1 : value, category);
  };
  const previous = [0, 0, 0];
  const samples = [new Float64Array(64), new Float64Array(64), new Float64Array(64)];
  const scratch = new Float64Array(64);
  for (let top = 0; top < height; top += 8) {
    for (let left = 0; left < width; left += 8) {
      for (let index = 0; index < 64; index++) {
        const at = ((top + (index >> 3)) * width + left + (index & 7)) * 3;
        const [red, green, blue] = [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!];
        samples[0]![index] = 0.299 * red + 0.587 * green + 0.114 * blue - 128;
        samples[1]![index] = -0.1687 * red - 0.3313 * green + 0.5 * blue;
        samples[2]![index] = 0.5 * red - 0.4187 * green - 0.0813 * blue;
      }
      samples.forEach((block, component) => {
        transform(block, scratch);
        let zeros = 0;
        for (let index = 0; index < 64; index++) {
          const level = Math.round(block[ZIGZAG[index]!]! / QUANTISERS[index]!);
          const value = index === 0 ? level - previous[component]! : level;
          const category = 32 - Math.clz32(Math.abs(value));
          if (index === 0) {
            previous[component] = level;
            put(DC, category, value, category);
          } else if (value === 0) zeros++;
          else {
            for (; zeros > 15; zeros -= 16) put(AC, 0xf0, 0, 0);
            put(AC, (zeros << 4) | category, value, category);
            zeros = 0;
          }
        }
        if (zeros > 0) put(AC, 0x00, 0, 0);
      });
    }
  }
  const size = [height >> 8, height & 0xff, width >> 8, width & 0xff];
  return {
    head: Buffer.concat([
      Buffer.from([0xff, 0xd8]),
      segment(0xe0, Buffer.from('JFIF\0'), [1, 1, 0, 0, 1, 0, 1, 0, 0]),
    ]),
    rest: Buffer.concat([
      segment(0xdb, 0, QUANTISERS),
      segment(0xc0, 8, size, 3, [1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]),
      segment(0xc4, 0x00, DC.counts, DC.symbols, 0x10, AC.counts, AC.symbols),
      segment(0xda, 3, [1, 0, 2, 0, 3, 0], [0, 63, 0]),
      writer.finish(),
      Buffer.from([0xff, 0xd9]),
    ]),
  };
}
