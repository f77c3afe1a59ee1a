/** Small MP4 films (ISO/IEC 14496-12) of a sun over a landscape, padded to any size by a free box. */
import { encodeFilm } from './h264.ts';
import { type Painting, paintScene } from './landscape.ts';
import { keepLast } from './memoize.ts';
import { paddingOf } from './padding.ts';

const WIDTH = 320;
const HEIGHT = 240;
const FRAMES = 24;
const FRAMES_PER_SECOND = 8;
const TIMESCALE = 1000;
const FRAME_DURATION = TIMESCALE / FRAMES_PER_SECOND;

/** A number is four bytes, a list its bytes, a string its letters. */
type Field = number | readonly number[] | string | Buffer;
const bytesOf = (field: Field): Buffer => {
  if (typeof field === 'string') return Buffer.from(field, 'latin1');
  if (typeof field !== 'number') return Buffer.from(field as Uint8Array);
  const word = Buffer.alloc(4);
  word.writeUInt32BE(field);
  return word;
};
const box = (type: string, ...fields: Field[]): Buffer => {
  const content = Buffer.concat(fields.map(bytesOf));
  return Buffer.concat([bytesOf(content.length + 8), bytesOf(type), content]);
};
const short = (value: number): number[] => [value >> 8, value & 0xff];
const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const MATRIX = Buffer.concat([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map(bytesOf));

function* sunrise(seed: number): Generator<Painting> {
  for (let frame = 0; frame < FRAMES; frame++)
    yield paintScene({ seed, width: WIDTH, height: HEIGHT, time: frame / (FRAMES - 1) });
}

/** The whole film without padding; the index stands before the samples, so that players start at once. */
function encodeMp4(seed: number): Buffer {
  const { sequence, picture, frames } = encodeFilm(sunrise(seed));
  const duration = FRAMES * FRAME_DURATION;
  const avcConfiguration = box(
    'avcC',
    [1, ...sequence.subarray(1, 4), 0xff, 0xe1, ...short(sequence.length)],
    sequence,
    [1, ...short(picture.length)],
    picture,
  );
  const sampleEntry = box(
    'avc1',
    [...zeros(6), ...short(1), ...zeros(16), ...short(WIDTH), ...short(HEIGHT)],
    0x480000, // 72 dpi
    0x480000,
    [...zeros(4), ...short(1), ...zeros(32), ...short(24), 0xff, 0xff],
    avcConfiguration,
  );
  const movie = (samplesAt: number) =>
    box(
      'moov',
      box('mvhd', 0, 0, 0, TIMESCALE, duration, 0x10000, [1, 0, ...zeros(10)], MATRIX, zeros(24), 2),
      box(
        'trak',
        box('tkhd', 3, 0, 0, 1, 0, duration, zeros(16), MATRIX, WIDTH * 65536, HEIGHT * 65536),
        box(
          'mdia',
          box('mdhd', 0, 0, 0, TIMESCALE, duration, [0x55, 0xc4, 0, 0]), // language: und
          box('hdlr', 0, 0, 'vide', zeros(12), 'VideoHandler\0'),
          box(
            'minf',
            box('vmhd', 1, zeros(8)),
            box('dinf', box('dref', 0, 1, box('url ', 1))),
            box(
              'stbl',
              box('stsd', 0, 1, sampleEntry),
              box('stts', 0, 1, FRAMES, FRAME_DURATION),
              box('stss', 0, 1, 1),
              box('stsc', 0, 1, 1, FRAMES, 1),
              box('stsz', 0, 0, FRAMES, ...frames.map((frame) => frame.length + 4)),
              box('stco', 0, 1, samplesAt),
            ),
          ),
        ),
      ),
    );
  const type = box('ftyp', 'isom', 0x200, 'isomiso2avc1mp41');
  return Buffer.concat([
    type,
    movie(type.length + movie(0).length + 8),
    box('mdat', ...frames.flatMap((frame) => [frame.length, frame])),
  ]);
}

// 8 films of about 350 KB are kept; the free box at the end makes the bytes of every seed different.
const FILMS = 8;
const filmOf = keepLast(FILMS, encodeMp4);
const FREE_BYTES_LEAST = 24;

export interface Video {
  readonly sizeBytes: number;
  /** Made while it is read: at most 64 KiB beyond the film itself is in memory, whatever the size. */
  chunks(): Iterable<Buffer>;
}

/** A film of three seconds, 320×240; `sizeBytes` pads it, up to 4 GiB. */
export function videoOf(seed: number, sizeBytes = 0): Video {
  const film = filmOf(seed % FILMS);
  const freeBytes = Math.max(FREE_BYTES_LEAST, sizeBytes - film.length);
  return {
    sizeBytes: film.length + freeBytes,
    *chunks() {
      yield film;
      yield Buffer.concat([bytesOf(freeBytes), bytesOf('free')]);
      yield* paddingOf(seed, freeBytes - 8);
    },
  };
}
