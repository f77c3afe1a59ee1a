/** Videos: MP4 films (ISO/IEC 14496-12) with a free box at the end, which makes every seed another file. */
import { loadFixture } from './fixtures.ts';
import { paddingOf } from './padding.ts';

const FILMS = 2;
const FREE_BYTES_MIN = 24;
const BOX_HEADER_BYTES = 8;

export interface Video {
  readonly sizeBytes: number;
  /** Created while it is read: at most 64 KiB are in memory beside the film. */
  chunks(): Iterable<Buffer>;
}

/** Returns a film of two seconds, 128×96, padded to `sizeBytes` (up to 4 GiB) where that is larger. */
export function videoOf(seed: number, sizeBytes = 0): Video {
  const film = loadFixture(`film-${seed % FILMS}.mp4`);
  const freeBytes = Math.max(FREE_BYTES_MIN, sizeBytes - film.length);
  return {
    sizeBytes: film.length + freeBytes,
    *chunks() {
      const header = Buffer.from('\0\0\0\0free', 'latin1');
      header.writeUInt32BE(freeBytes);
      yield film;
      yield header;
      yield* paddingOf(seed, freeBytes - BOX_HEADER_BYTES);
    },
  };
}
