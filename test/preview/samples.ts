/** Voices and pictures of every format, made by the real encoders or frame by frame. */
import { randomBytes } from 'node:crypto';
import { encode } from 'silk-wasm';

/** The size of a frame with its header byte, by its type (RFC 4867 §5). */
export const AMR_SIZES = [13, 14, 16, 18, 20, 21, 27, 32, 6] as const;
export const AMR_WB_SIZES = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6] as const;
const NO_DATA = 15;

/** A frame of one type with bits that are always the same. */
export function frameOf(type: number, sizeBytes: number): Buffer {
  const frame = Buffer.alloc(sizeBytes, 0x35);
  frame[0] = (type << 3) | 0x04;
  return frame;
}

/** The smallest frame: a header byte without bits behind it. */
const NO_DATA_FRAME = frameOf(NO_DATA, 1);

export function amrOf(frames: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('#!AMR\n'), ...frames]);
}

export function amrWbOf(frames: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('#!AMR-WB\n'), ...frames]);
}

export const repeat = <T>(value: T, count: number): T[] => Array.from({ length: count }, () => value);

/** A voice of AMR that lasts so long, in the fewest bytes: 50 frames a second without data. */
export const amrSeconds = (seconds: number): Buffer => amrOf(repeat(NO_DATA_FRAME, seconds * 50));

/** 60 KB of SILK that are within all limits and take longest: 30,000 empty packets, 2 s of CPU time and 28 MB of WAV. */
export const slowVoice = (): Buffer =>
  Buffer.concat([Buffer.from('\x02#!SILK_V3', 'latin1'), Buffer.alloc(2 * 29_900)]);

/** 10 MB that claim millions of frames: without a limit it takes half a minute and more than a gigabyte. */
export const hostileAmr = (sizeBytes = 10_000_000): Buffer =>
  Buffer.concat([Buffer.from('#!AMR\n'), Buffer.alloc(sizeBytes - 6, NO_DATA_FRAME)]);

/** A tone, as 16-bit samples. */
export function toneOf(sampleRate: number, seconds: number, hertz = 440): Buffer {
  const pcm = Buffer.alloc(sampleRate * seconds * 2);
  for (let at = 0; at < pcm.length / 2; at++)
    pcm.writeInt16LE(Math.round(8_000 * Math.sin((2 * Math.PI * hertz * at) / sampleRate)), at * 2);
  return pcm;
}

/** SILK as phones send it: with the byte 2 before its magic bytes. */
export async function silkOf(sampleRate: number, seconds: number): Promise<Buffer> {
  return Buffer.from((await encode(toneOf(sampleRate, seconds), sampleRate)).data);
}

export interface Wav {
  readonly sampleRate: number;
  readonly seconds: number;
  readonly samples: Int16Array;
}

/** Reads a WAV strictly; throws where a field is not that of 16-bit PCM with one channel. */
export function readWav(wav: Buffer): Wav {
  const text = (at: number) => wav.toString('latin1', at, at + 4);
  const fields = {
    names: [text(0), text(8), text(12), text(36)],
    riffBytes: wav.readUInt32LE(4),
    formatBytes: wav.readUInt32LE(16),
    format: wav.readUInt16LE(20),
    channels: wav.readUInt16LE(22),
    blockBytes: wav.readUInt16LE(32),
    bits: wav.readUInt16LE(34),
    dataBytes: wav.readUInt32LE(40),
  };
  const sampleRate = wav.readUInt32LE(24);
  const expected = {
    names: ['RIFF', 'WAVE', 'fmt ', 'data'],
    riffBytes: wav.length - 8,
    formatBytes: 16,
    format: 1,
    channels: 1,
    blockBytes: 2,
    bits: 16,
    dataBytes: wav.length - 44,
  };
  if (JSON.stringify(fields) !== JSON.stringify(expected)) throw new Error(JSON.stringify(fields));
  if (wav.readUInt32LE(28) !== sampleRate * 2) throw new Error('the bytes per second are wrong');
  const samples = new Int16Array(fields.dataBytes / 2);
  for (let at = 0; at < samples.length; at++) samples[at] = wav.readInt16LE(44 + at * 2);
  return { sampleRate, seconds: samples.length / sampleRate, samples };
}

/** The frequency of a tone, from how often it crosses zero. */
export function hertzOf({ samples, seconds }: Wav): number {
  let crossings = 0;
  for (let at = 1; at < samples.length; at++)
    if ((samples[at - 1] as number) < 0 !== (samples[at] as number) < 0) crossings++;
  return crossings / 2 / seconds;
}

const CRC_TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = (CRC_TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return Buffer.concat([length, body, check]);
}

/** A PNG whose header claims so many pixels, with a few bytes of data. */
export function pngClaiming(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', randomBytes(64)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}
