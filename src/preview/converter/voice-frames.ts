/**
 * Finds the frames of a voice from their headers, without decoding: so a voice that would take long is refused before a
 * decoder sees it.
 */

export type VoiceCodec = 'amr' | 'amr-wb' | 'silk';

export interface VoiceFrames {
  readonly codec: VoiceCodec;
  /** Where the first frame begins. */
  readonly startsAt: number;
  /** The end of each whole frame, in order. An incomplete frame at the end of the file is left out. */
  readonly ends: readonly number[];
}

/** RFC 4867 §5: the size of a frame with its header byte, by its type. The types 12 to 14 (10 to 13) are reserved. */
const AMR_SIZES = [13, 14, 16, 18, 20, 21, 27, 32, 6, 6, 6, 6, 1, 1, 1, 1];
const AMR_WB_SIZES = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1];
/** The buffer of the SILK decoder: five frames of at most 1,024 bytes. */
const SILK_PACKET_LIMIT_BYTES = 5 * 1_024;
/** All three codecs have frames of 20 ms; a packet of SILK has one to five of them. */
export const FRAMES_PER_SECOND = 50;

const MAGICS: readonly (readonly [magic: string, codec: VoiceCodec])[] = [
  ['#!AMR\n', 'amr'],
  ['#!AMR-WB\n', 'amr-wb'],
  ['\x02#!SILK_V3', 'silk'],
  ['#!SILK_V3', 'silk'],
];

/**
 * Returns the frames, at most `limit` and one more, so that a caller sees that there are too many. Undefined: these are
 * not the bytes of a voice.
 */
export function findVoiceFrames(bytes: Buffer, limit: number): VoiceFrames | undefined {
  const start = bytes.toString('latin1', 0, 16);
  const known = MAGICS.find(([magic]) => start.startsWith(magic));
  if (!known) return undefined;
  const [{ length: startsAt }, codec] = known;
  const ends: number[] = [];
  for (let at = startsAt; at < bytes.length && ends.length <= limit; ) {
    const next = codec === 'silk' ? endOfPacket(bytes, at) : endOfFrame(bytes, at, codec);
    if (next === undefined || next > bytes.length) break;
    ends.push(next);
    at = next;
  }
  return { codec, startsAt, ends };
}

function endOfFrame(bytes: Buffer, at: number, codec: 'amr' | 'amr-wb'): number {
  const type = ((bytes[at] as number) >> 3) & 0x0f;
  return at + ((codec === 'amr' ? AMR_SIZES : AMR_WB_SIZES)[type] as number);
}

/** A packet is its length in two bytes and its data. A negative length marks the end of the file. */
function endOfPacket(bytes: Buffer, at: number): number | undefined {
  if (at + 2 > bytes.length) return undefined;
  const length = bytes.readInt16LE(at);
  return length < 0 || length > SILK_PACKET_LIMIT_BYTES ? undefined : at + 2 + length;
}
