/**
 * Voices: AMR in the storage format of RFC 4867 §5 (a magic line, then one header byte and its bits every 20 ms), and SILK
 * as phones send it (its magic bytes, then the length and the bits of a packet every 20 ms).
 */
import { paddingOf } from './padding.ts';

interface VoiceFormat {
  readonly magic: Buffer;
  /** Two frames of near silence; the bits of the seed select between them, so that every seed is another file. */
  readonly frames: readonly [Buffer, Buffer];
}

const frame = (header: number, payloadBytes: number, start = ''): Buffer => {
  const bytes = Buffer.alloc(1 + payloadBytes);
  bytes[0] = header;
  bytes.write(start, 1, 'hex');
  return bytes;
};

// Header byte: frame type << 3, and the quality bit 4. Speech frames, because decoders treat comfort noise unevenly.
const NARROW: VoiceFormat = {
  magic: Buffer.from('#!AMR\n'),
  // 12.2 kbit/s: the frame that phones send for silence; 4.75 kbit/s: all parameters at their lowest.
  frames: [frame(0x3c, 31, '911716be6679e1e001e7aff0'), frame(0x04, 12)],
};
const WIDE: VoiceFormat = {
  magic: Buffer.from('#!AMR-WB\n'),
  // 12.65 and 6.60 kbit/s.
  frames: [frame(0x14, 32), frame(0x04, 17)],
};

const packet = (hex: string): Buffer => {
  const bits = Buffer.from(hex, 'hex');
  const length = Buffer.alloc(2);
  length.writeInt16LE(bits.length);
  return Buffer.concat([length, bits]);
};

// Made by the SILK encoder at 16 kHz: of silence, and of faint noise.
const SILK: VoiceFormat = {
  magic: Buffer.from('\x02#!SILK_V3', 'latin1'),
  frames: [
    packet('a72b74f7a99ca7a2debf3f'),
    packet(
      'b30b30cf17c63886c9254ad1dec37d84c0570d58ac1f3fccc507008c40e4a92027fc6c7cc68cab25621001d7ed6579d6bf0acef72cf8f7',
    ),
  ],
};

const FRAMES_PER_SECOND = 50;
const SEED_BITS = 32;

export interface Voice {
  readonly contentType: 'audio/amr' | 'audio/amr-wb';
  readonly bytes: Buffer;
}

/**
 * Returns a quiet voice of 2 to 17 seconds: AMR at 8 kHz, or AMR-WB at 16 kHz. `sizeBytes` makes it longer: it ends with
 * the first whole frame at or above that size.
 */
export function voiceOf(kind: 'voice' | 'voice16k', seed: number, sizeBytes = 0): Voice {
  const bytes = framesOf(kind === 'voice' ? NARROW : WIDE, seed, sizeBytes);
  return { contentType: kind === 'voice' ? 'audio/amr' : 'audio/amr-wb', bytes };
}

/** Returns a quiet voice of 2 to 17 seconds in SILK, which WeChat calls AMR. `sizeBytes` makes it longer. */
export const silkVoiceOf = (seed: number, sizeBytes = 0): Buffer => framesOf(SILK, seed, sizeBytes);

function framesOf({ magic, frames }: VoiceFormat, seed: number, sizeBytes: number): Buffer {
  const wanted = FRAMES_PER_SECOND * (2 + (seed % 16));
  const parts = [magic];
  let length = magic.length;
  for (let index = 0; index < wanted || length < sizeBytes; index++) {
    const part = frames[index < SEED_BITS ? (seed >>> index) & 1 : 0]!;
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts);
}

const HD_FRAME_BYTES = 70;

/**
 * Returns a voice as /media/get/jssdk does: Tencent's own frames of speex at 16 kHz, which have no magic bytes. They
 * cannot be decoded; they have the right length, and their first byte is not that of a text.
 */
export function hdVoiceOf(seed: number, sizeBytes = 0): Buffer {
  const wanted = FRAMES_PER_SECOND * (2 + (seed % 16));
  const frames = Math.max(wanted, Math.ceil(sizeBytes / HD_FRAME_BYTES));
  const bytes = Buffer.concat([...paddingOf(seed, frames * HD_FRAME_BYTES)]);
  for (let at = 0; at < bytes.length; at += HD_FRAME_BYTES) bytes[at] = 0x9e;
  return bytes;
}
