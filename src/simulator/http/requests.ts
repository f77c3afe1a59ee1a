/** Reads and validates requests, with bounds. */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const BODY_BYTES_MAX = 16_384;

/** Resolves with the body, or with undefined where it is larger than 16 KiB. */
export async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

export type Members = Readonly<Record<string, unknown>>;

/** Parses a JSON object; undefined for any other text. */
export function parseObject(text: string | undefined): Members | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Compares in constant time. */
export const isSame = (given: unknown, known: string): boolean =>
  typeof given === 'string' &&
  Buffer.byteLength(given) === Buffer.byteLength(known) &&
  timingSafeEqual(Buffer.from(given), Buffer.from(known));

export const isIntegerWithin = (value: unknown, min: number, max: number): value is number =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
