/** WAV with 16-bit PCM and one channel. */
import { WAV_HEADER_BYTES } from '../limits.ts';

const FORMAT_PCM = 1;
const BYTES_PER_SAMPLE = 2;

/** Writes the header of RIFF WAVE into the first 44 bytes of `wav`; the samples follow it up to the end of `wav`. */
export function writeWavHeader(wav: Buffer, sampleRate: number): void {
  wav.write('RIFF', 0, 'latin1');
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write('WAVEfmt ', 8, 'latin1');
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(FORMAT_PCM, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(sampleRate, 24);
  wav.writeUInt32LE(sampleRate * BYTES_PER_SAMPLE, 28);
  wav.writeUInt16LE(BYTES_PER_SAMPLE, 32);
  wav.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34);
  wav.write('data', 36, 'latin1');
  wav.writeUInt32LE(wav.length - WAV_HEADER_BYTES, 40);
}
