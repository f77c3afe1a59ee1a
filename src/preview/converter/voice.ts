/** Decodes AMR-NB, AMR-WB and SILK into WAV. Runs in the converter process. */
import { decoder } from '@audio/decode-amr';
import { decode as decodeSilk } from 'silk-wasm';
import { SILK_SAMPLE_RATE, VOICE_LIMIT_SECONDS, WAV_HEADER_BYTES } from '../limits.ts';
import { PreviewRefusedError } from '../reasons.ts';
import { FRAMES_PER_SECOND, findVoiceFrames, type VoiceFrames } from './voice-frames.ts';
import { writeWavHeader } from './wav.ts';

const FRAME_LIMIT = VOICE_LIMIT_SECONDS * FRAMES_PER_SECOND;
const BYTES_PER_SAMPLE = 2;
/** How many frames are decoded at once: the decoder returns 32-bit samples, so all at once would take twice the memory. */
const FRAMES_AT_ONCE = 500;
const SILK_MAGIC = Buffer.from('\x02#!SILK_V3', 'latin1');

/** Throws a PreviewRefusedError for bytes that are no voice, and for voices above the limits. */
export async function convertVoice(bytes: Buffer): Promise<Buffer> {
  const frames = findVoiceFrames(bytes, FRAME_LIMIT);
  if (!frames || frames.ends.length === 0) throw new PreviewRefusedError('damaged');
  if (frames.ends.length > FRAME_LIMIT) throw new PreviewRefusedError('too_long');
  return frames.codec === 'silk' ? await convertSilk(bytes, frames) : await convertAmr(bytes, frames);
}

async function convertAmr(bytes: Buffer, { codec, startsAt, ends }: VoiceFrames): Promise<Buffer> {
  const sampleRate = codec === 'amr' ? 8_000 : 16_000;
  const samplesPerFrame = sampleRate / FRAMES_PER_SECOND;
  const wav = Buffer.alloc(WAV_HEADER_BYTES + ends.length * samplesPerFrame * BYTES_PER_SAMPLE);
  writeWavHeader(wav, sampleRate);
  const amr = await decoder();
  try {
    // The magic is passed on its own. The decoder keeps it until it has nine bytes.
    amr.decode(bytes.subarray(0, startsAt));
    let at = WAV_HEADER_BYTES;
    let from = startsAt;
    for (let index = 0; index < ends.length; index += FRAMES_AT_ONCE) {
      const to = ends[Math.min(index + FRAMES_AT_ONCE, ends.length) - 1] as number;
      const [samples = new Float32Array()] = amr.decode(bytes.subarray(from, to)).channelData;
      // A decoder that returns more than the headers promise would write beyond the end.
      if (at + samples.length * BYTES_PER_SAMPLE > wav.length) throw new PreviewRefusedError('damaged');
      for (const sample of samples) at = wav.writeInt16LE(toInt16(sample), at);
      from = to;
    }
    if (at !== wav.length) throw new PreviewRefusedError('damaged');
    return wav;
  } finally {
    amr.free();
  }
}

/** The decoder divides its 16-bit samples by 32,768. */
const toInt16 = (sample: number): number => Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768)));

async function convertSilk(bytes: Buffer, { startsAt, ends }: VoiceFrames): Promise<Buffer> {
  // What follows the last whole packet is left out: a negative length makes the decoder read outside its memory.
  const packets = bytes.subarray(startsAt, ends.at(-1));
  const { data } = await decodeSilk(Buffer.concat([SILK_MAGIC, packets]), SILK_SAMPLE_RATE);
  if (data.length === 0 || data.length % BYTES_PER_SAMPLE !== 0) throw new PreviewRefusedError('damaged');
  if (data.length > VOICE_LIMIT_SECONDS * SILK_SAMPLE_RATE * BYTES_PER_SAMPLE)
    throw new PreviewRefusedError('too_long');
  const wav = Buffer.alloc(WAV_HEADER_BYTES + data.length);
  writeWavHeader(wav, SILK_SAMPLE_RATE);
  wav.set(data, WAV_HEADER_BYTES);
  return wav;
}
