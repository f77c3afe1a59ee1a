/** Voices in the storage format of RFC 4867 §5: a magic line, then one header byte and its bits every 20 ms. */
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
  const { magic, frames } = kind === 'voice' ? NARROW : WIDE;
  const wanted = FRAMES_PER_SECOND * (2 + (seed % 16));
  const parts = [magic];
  let length = magic.length;
  for (let index = 0; index < wanted || length < sizeBytes; index++) {
    const part = frames[index < SEED_BITS ? (seed >>> index) & 1 : 0]!;
    parts.push(part);
    length += part.length;
  }
  return { contentType: kind === 'voice' ? 'audio/amr' : 'audio/amr-wb', bytes: Buffer.concat(parts) };
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

/** Returns SILK, which WeChat calls AMR: the magic bytes as phones send them, then random bytes. */
export function silkVoiceOf(seed: number, sizeBytes = 0): Buffer {
  const payload = Buffer.concat([...paddingOf(seed, Math.max(sizeBytes, 2000 + (seed % 8000)))]);
  return Buffer.concat([Buffer.from('\x02#!SILK_V3', 'latin1'), payload]);
}
