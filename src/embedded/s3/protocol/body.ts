/** Receives the body of a request and verifies its length, its signed hash, its MD5 and its CRC32. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import { S3Error } from './responses.ts';

export interface VerifiedBody {
  readonly sizeBytes: number;
  readonly md5: Buffer;
}

/** As much of a request as its body needs. `payloadSha256`: the hash that was signed, if one was. */
export interface BodyRequest {
  readonly request: Pick<IncomingMessage, 'headersDistinct' | 'iterator'>;
  readonly payloadSha256: string | undefined;
}

/** S3's limit of a single PUT and of a part. */
const MAX_BODY_BYTES = 5 * 1024 ** 3;
const CRC32 = 'x-amz-checksum-crc32';
/** Headers of the family x-amz-checksum-* that carry no digest. */
const NOT_A_DIGEST = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type']);

/** Returns the bytes that Content-Length announces; a body without it is refused. */
export function announcedLength(headers: NodeJS.Dict<string[]>): number {
  const text = headers['content-length']?.[0];
  if (text === undefined) throw new S3Error('MissingContentLength', 'The request needs Content-Length.');
  if (!/^\d{1,15}$/.test(text)) throw new S3Error('InvalidArgument', 'Content-Length is not a length.');
  const lengthBytes = Number(text);
  if (lengthBytes > MAX_BODY_BYTES) throw new S3Error('EntityTooLarge', 'At most 5 GiB in one request.');
  return lengthBytes;
}

function expectedMd5(headers: NodeJS.Dict<string[]>): Buffer | undefined {
  const text = headers['content-md5']?.[0];
  if (text === undefined) return undefined;
  const md5 = Buffer.from(text, 'base64');
  if (md5.length !== 16) throw new S3Error('InvalidDigest', 'Content-MD5 is not an MD5 in base64.');
  return md5;
}

/** The SDK sends a CRC32 by default. A checksum that is not verified here is refused, never ignored. */
function expectedCrc32(headers: NodeJS.Dict<string[]>): string | undefined {
  const other = Object.keys(headers).find(
    (name) => name.startsWith('x-amz-checksum-') && name !== CRC32 && !NOT_A_DIGEST.has(name),
  );
  if (other) throw new S3Error('NotImplemented', `${other} is not implemented; use CRC32.`);
  return headers[CRC32]?.[0];
}

const base64OfCrc32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
};

/**
 * Passes the content to `write`, in order, and verifies it. What was written may be used only if this resolves.
 * @throws S3Error IncompleteBody, BadDigest, XAmzContentSHA256Mismatch, NotImplemented …; the connection's error when
 * it breaks.
 */
export async function receiveBody(
  { request, payloadSha256 }: BodyRequest,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<VerifiedBody> {
  const headers = request.headersDistinct;
  if (payloadSha256 === undefined)
    throw new S3Error('NotImplemented', 'A body needs its signed hash in x-amz-content-sha256.');
  const lengthBytes = announcedLength(headers);
  const wantedMd5 = expectedMd5(headers);
  const wantedCrc32 = expectedCrc32(headers);
  const sha256 = createHash('sha256');
  const md5Hash = createHash('md5');
  let crc = 0;
  let sizeBytes = 0;
  // A plain `for await` over the request would destroy the socket on an error, before the client has read it.
  const content: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>,
  };
  for await (const bytes of content) {
    sizeBytes += bytes.length;
    if (sizeBytes > lengthBytes) throw new S3Error('IncompleteBody', 'The body is longer than announced.');
    sha256.update(bytes);
    md5Hash.update(bytes);
    if (wantedCrc32 !== undefined) crc = crc32(bytes, crc);
    await write(bytes);
  }
  if (sizeBytes < lengthBytes) throw new S3Error('IncompleteBody', 'The body is shorter than announced.');
  if (sha256.digest('hex') !== payloadSha256)
    throw new S3Error('XAmzContentSHA256Mismatch', 'The body does not have the hash that was signed.');
  const md5 = md5Hash.digest();
  if (wantedMd5 && !wantedMd5.equals(md5))
    throw new S3Error('BadDigest', 'The body does not have the MD5 of Content-MD5.');
  if (wantedCrc32 !== undefined && wantedCrc32 !== base64OfCrc32(crc))
    throw new S3Error('BadDigest', `The body does not have the checksum of ${CRC32}.`);
  return { sizeBytes, md5 };
}

/** Resolves with a whole small body. @throws S3Error EntityTooLarge beyond `limitBytes`. */
export async function receiveDocument(from: BodyRequest, limitBytes: number): Promise<string> {
  if (announcedLength(from.request.headersDistinct) > limitBytes)
    throw new S3Error('EntityTooLarge', `The document has more than ${limitBytes} bytes.`);
  const chunks: Uint8Array[] = [];
  await receiveBody(from, async (bytes) => {
    chunks.push(bytes);
  });
  return Buffer.concat(chunks).toString('utf8');
}
