/** Reading what clients send: bounded, and none of it believed. */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const BODY_BYTES_MAX = 16_384;

/** A small body, or undefined where it is larger than anybody needs. */
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

/** The members of a JSON object; undefined where the text is no such thing. */
export function parseObject(text: string | undefined): Members | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

export const isSame = (given: unknown, known: string): boolean =>
  typeof given === 'string' &&
  Buffer.byteLength(given) === Buffer.byteLength(known) &&
  timingSafeEqual(Buffer.from(given), Buffer.from(known));

export const isWithin = (value: unknown, least: number, most: number): value is number =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
