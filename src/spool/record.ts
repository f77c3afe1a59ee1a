/**
 * A record on disk: `{crc32} {length} {text}\n`, both numbers as eight hex digits, the length in bytes. The checksum
 * covers length and text. The next record can be found by the length and by the newline, so one damaged byte costs one
 * record at most.
 */
import { crc32 } from 'node:zlib';

export const RECORD_OVERHEAD_BYTES = 19;
const HEADER_BYTES = 18;
const NEWLINE = 0x0a;
const HEADER = /^([0-9a-f]{8}) ([0-9a-f]{8}) $/;

const hex = (value: number) => value.toString(16).padStart(8, '0');

/** `text` must hold no newline, which JSON never does. */
export function encodeRecord(text: string): Buffer {
  const length = hex(Buffer.byteLength(text));
  return Buffer.from(`${hex(crc32(`${length} ${text}`))} ${length} ${text}\n`);
}

export interface Found {
  /** Whole records, in order. */
  readonly texts: string[];
  /** Lines that are not a valid record, unchanged. */
  readonly damaged: Buffer[];
  /** Bytes at the end without a newline: a write that was cut off, and so never acknowledged. */
  readonly tornBytes: number;
}

/** Parses the content of a file, damaged or not. Never throws. */
export function readRecords(bytes: Buffer): Found {
  const texts: string[] = [];
  const damaged: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = endOfRecord(bytes, at);
    if (end !== undefined) {
      texts.push(bytes.toString('utf8', at + HEADER_BYTES, end));
      at = end + 1;
      continue;
    }
    const newline = bytes.indexOf(NEWLINE, at);
    if (newline < 0) return { texts, damaged, tornBytes: bytes.length - at };
    damaged.push(bytes.subarray(at, newline));
    at = newline + 1;
  }
  return { texts, damaged, tornBytes: 0 };
}

/** Returns where the text of the record at `at` ends; undefined where there is no whole, undamaged record. */
function endOfRecord(bytes: Buffer, at: number): number | undefined {
  const header = HEADER.exec(bytes.toString('latin1', at, at + HEADER_BYTES));
  if (!header) return undefined;
  const end = at + HEADER_BYTES + Number.parseInt(header[2] as string, 16);
  // Without its newline the record was cut off, if only by one byte.
  if (end >= bytes.length) return undefined;
  const sum = crc32(bytes.subarray(at + HEADER_BYTES - 9, end));
  return sum === Number.parseInt(header[1] as string, 16) ? end : undefined;
}
