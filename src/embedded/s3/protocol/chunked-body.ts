/**
 * aws-chunked: chunks framed inside the body, each signed or not, with or without trailing headers. The framing must
 * never end up in an object, which is where every ready-made S3 server looked at went wrong.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
import { createHash } from 'node:crypto';
import { S3Error } from './responses.ts';
import { type ChunkSigning, sameSignature, signLines } from './signature.ts';

/** A chunk's size in hex, `;chunk-signature=` and 64 hex digits come to about 100 bytes. */
const MAX_HEAD_BYTES = 256;
const MAX_TRAILER_BYTES = 1024;
const MAX_TRAILERS = 8;
const EMPTY_SHA256 = createHash('sha256').digest('hex');

const broken = (what: string) => new S3Error('IncompleteBody', `The aws-chunked body ${what}.`);

/** Pulls lines and counted bytes out of a stream, holding no more than one of its chunks. */
function createByteReader(source: AsyncIterator<Uint8Array>) {
  let held: Buffer = Buffer.alloc(0);
  async function fill(): Promise<boolean> {
    while (true) {
      const next = await source.next();
      if (next.done) return false;
      if (next.value.length === 0) continue;
      const bytes = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      return true;
    }
  }
  return {
    /** One line without its CRLF. */
    async line(limitBytes: number): Promise<string> {
      while (true) {
        const end = held.indexOf('\r\n');
        if (end > limitBytes || (end < 0 && held.length > limitBytes)) throw broken('has an overlong line');
        if (end >= 0) {
          const text = held.toString('latin1', 0, end);
          held = held.subarray(end + 2);
          return text;
        }
        if (!(await fill())) throw broken('ends early');
      }
    },
    async upTo(sizeBytes: number): Promise<Buffer> {
      if (held.length === 0 && !(await fill())) throw broken('ends early');
      const bytes = held.subarray(0, sizeBytes);
      held = held.subarray(bytes.length);
      return bytes;
    },
    async ended(): Promise<boolean> {
      return held.length === 0 && !(await fill());
    },
  };
}

export interface ChunkedOptions {
  readonly signing: ChunkSigning | undefined;
  readonly trailer: boolean;
  /** Filled with the trailing headers once the last chunk was read. */
  readonly trailers: Map<string, string>;
}

/** The bytes inside the frames. A chunk's bytes come out before its signature is proven: publish after the end. */
export async function* decodeChunked(
  source: AsyncIterable<Uint8Array>,
  { signing, trailer, trailers }: ChunkedOptions,
): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  const reader = createByteReader(iterator);
  let previous = signing?.seed ?? '';
  const prove = (given: string | undefined, algorithm: string, ...hashes: string[]) => {
    if (!signing) return;
    const expected = signLines(signing.key, [
      algorithm,
      signing.timestamp,
      signing.scope,
      previous,
      ...hashes,
    ]);
    if (!sameSignature(expected, given ?? ''))
      throw new S3Error('SignatureDoesNotMatch', 'A chunk of the body does not match its signature.');
    previous = expected;
  };
  try {
    while (true) {
      const head = /^([0-9a-fA-F]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(
        await reader.line(MAX_HEAD_BYTES),
      );
      if (!head) throw broken('has a malformed chunk');
      const sizeBytes = Number.parseInt(head[1]!, 16);
      const hash = createHash('sha256');
      for (let left = sizeBytes; left > 0; ) {
        const bytes = await reader.upTo(left);
        left -= bytes.length;
        if (signing) hash.update(bytes);
        yield bytes;
      }
      prove(head[2], 'AWS4-HMAC-SHA256-PAYLOAD', EMPTY_SHA256, hash.digest('hex'));
      if (sizeBytes === 0) break;
      if ((await reader.line(0)) !== '') throw broken('has a malformed chunk');
    }
    let signed = '';
    for (let line = await reader.line(MAX_TRAILER_BYTES); line !== ''; ) {
      const colon = line.indexOf(':');
      const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase();
      if (!trailer || name === '' || trailers.has(name) || trailers.size >= MAX_TRAILERS)
        throw broken('has a trailer that was not announced');
      const value = line.slice(colon + 1).trim();
      trailers.set(name, value);
      if (name !== 'x-amz-trailer-signature') signed += `${name}:${value}\n`;
      line = await reader.line(MAX_TRAILER_BYTES);
    }
    if (trailer)
      prove(
        trailers.get('x-amz-trailer-signature'),
        'AWS4-HMAC-SHA256-TRAILER',
        createHash('sha256').update(signed).digest('hex'),
      );
    trailers.delete('x-amz-trailer-signature');
    if (!(await reader.ended())) throw broken('goes on after its end');
  } finally {
    await iterator.return?.();
  }
}
