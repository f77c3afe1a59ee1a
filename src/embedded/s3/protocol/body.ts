/** Takes a request's body in and proves it: its length, its payload hash, its MD5 and its checksum. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Checksum, createChecksum, isChecksumHeader } from './checksums.ts';
import { decodeChunked } from './chunked-body.ts';
import { S3Error } from './responses.ts';
import type { Payload } from './signature.ts';

export interface VerifiedBody {
  readonly sizeBytes: number;
  readonly md5: Buffer;
  readonly checksum?: readonly [name: string, value: string];
}

/** S3's limit of a single PUT and of a part. */
const MAX_BODY_BYTES = 5 * 1024 ** 3;

function readLength(text: string | undefined, name: string): number {
  if (text === undefined) throw new S3Error('MissingContentLength', `The request needs ${name}.`);
  if (!/^\d{1,15}$/.test(text)) throw new S3Error('InvalidArgument', `${name} is not a length.`);
  const lengthBytes = Number(text);
  if (lengthBytes > MAX_BODY_BYTES) throw new S3Error('EntityTooLarge', 'At most 5 GiB in one request.');
  return lengthBytes;
}

/** How many bytes of content the request announces; a body without an announced length is refused. */
export function announcedLength(headers: NodeJS.Dict<string[]>, payload: Payload): number {
  if (payload.kind === 'chunked')
    return readLength(headers['x-amz-decoded-content-length']?.[0], 'x-amz-decoded-content-length');
  return readLength(headers['content-length']?.[0], 'Content-Length');
}

interface Expected {
  readonly md5: Buffer | undefined;
  /** The value is undefined while it is still to come in a trailer. */
  readonly checksum: { name: string; value: string | undefined; running: Checksum } | undefined;
}

function readExpected(headers: NodeJS.Dict<string[]>, payload: Payload): Expected {
  const contentMd5 = headers['content-md5']?.[0];
  const md5 = contentMd5 === undefined ? undefined : Buffer.from(contentMd5, 'base64');
  if (md5 && md5.length !== 16) throw new S3Error('InvalidDigest', 'Content-MD5 is not an MD5 in base64.');
  const given = Object.keys(headers).filter(isChecksumHeader);
  const trailing = (headers['x-amz-trailer'] ?? []).map((name) => name.trim().toLowerCase());
  if (trailing.length > 0 && !(payload.kind === 'chunked' && payload.trailer))
    throw new S3Error('InvalidRequest', 'x-amz-trailer needs a streaming payload with a trailer.');
  const names = [...given, ...trailing];
  if (names.length > 1) throw new S3Error('InvalidRequest', 'At most one checksum can be given.');
  const [name] = names;
  if (name === undefined) return { md5, checksum: undefined };
  return { md5, checksum: { name, value: headers[name]?.[0], running: createChecksum(name) } };
}

/**
 * Passes the content on to `write`, in order, and proves it. What was written is worth nothing unless this resolves.
 * @throws S3Error IncompleteBody, BadDigest, XAmzContentSHA256Mismatch, SignatureDoesNotMatch, NotImplemented …;
 * whatever the connection throws when it breaks.
 */
export async function receiveBody(
  request: Pick<IncomingMessage, 'headersDistinct' | 'iterator'>,
  payload: Payload,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<VerifiedBody> {
  const headers = request.headersDistinct;
  const lengthBytes = announcedLength(headers, payload);
  const expected = readExpected(headers, payload);
  const trailers = new Map<string, string>();
  // Leaving a plain `for await` would destroy the socket, and the client would never read why.
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>,
  };
  const content = payload.kind === 'chunked' ? decodeChunked(source, { ...payload, trailers }) : source;

  const sha256 = payload.kind === 'hashed' ? createHash('sha256') : undefined;
  const md5Hash = createHash('md5');
  let sizeBytes = 0;
  for await (const bytes of content) {
    sizeBytes += bytes.length;
    if (sizeBytes > lengthBytes) throw new S3Error('IncompleteBody', 'The body is longer than announced.');
    sha256?.update(bytes);
    md5Hash.update(bytes);
    expected.checksum?.running.update(bytes);
    await write(bytes);
  }
  if (sizeBytes < lengthBytes) throw new S3Error('IncompleteBody', 'The body is shorter than announced.');
  if (payload.kind === 'hashed' && sha256?.digest('hex') !== payload.sha256)
    throw new S3Error('XAmzContentSHA256Mismatch', 'The body does not have the hash that was signed.');
  const md5 = md5Hash.digest();
  if (expected.md5 && !expected.md5.equals(md5))
    throw new S3Error('BadDigest', 'The body does not have the MD5 of Content-MD5.');
  if (!expected.checksum) return { sizeBytes, md5 };

  const { name, running } = expected.checksum;
  const value = running.digest();
  if ((expected.checksum.value ?? trailers.get(name)) !== value)
    throw new S3Error('BadDigest', `The body does not have the checksum of ${name}.`);
  return { sizeBytes, md5, checksum: [name, value] };
}

/** A whole small body, for the documents S3 takes. @throws S3Error EntityTooLarge beyond `limitBytes`. */
export async function receiveDocument(
  request: Pick<IncomingMessage, 'headersDistinct' | 'iterator'>,
  payload: Payload,
  limitBytes: number,
): Promise<string> {
  if (announcedLength(request.headersDistinct, payload) > limitBytes)
    throw new S3Error('EntityTooLarge', `The document has more than ${limitBytes} bytes.`);
  const chunks: Uint8Array[] = [];
  await receiveBody(request, payload, async (bytes) => {
    chunks.push(bytes);
  });
  return Buffer.concat(chunks).toString('utf8');
}
