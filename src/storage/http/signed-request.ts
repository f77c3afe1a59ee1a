/** One signed HTTP request to the store, over undici. Everything that leaves for the store leaves here. */
import { createHash, hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { Agent } from 'undici';
import { type FailureError, failure } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import { joinHeaders } from '../../runtime/network/http-headers.ts';
import type { Address } from './address.ts';
import { codeOf, failureOfConnection, failureOfResponse } from './failure.ts';
import { canonicalQuery, type Signer } from './signing.ts';

export interface SignedRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Percent-encoded, with the bucket where the addressing puts it there. */
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly body?: readonly Uint8Array[];
  /** Hex sha256 of the body: the store refuses any other bytes. */
  readonly sha256?: string;
  readonly signal: AbortSignal;
}

export type Headers = Record<string, string>;

export interface StreamedResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readable;
}

export interface BufferedResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

export interface SignedHttp {
  /** Any answer, whatever its status. Throws why there is none (../store-failures.ts), the signal's reason if aborted. */
  stream(request: SignedRequest): Promise<StreamedResponse>;
  /** As open, and reads the answer whole. */
  send(request: SignedRequest): Promise<BufferedResponse>;
  /** Bodies beyond 4 MiB are not an answer S3 gives: store_unavailable. */
  buffer(answer: StreamedResponse, signal: AbortSignal): Promise<BufferedResponse>;
  /** As call; throws the failure of an answer that is not 2xx. */
  sendOk(request: SignedRequest): Promise<BufferedResponse>;
  /** The failure of an answer that is not welcome. */
  failureOf(answer: { status: number; headers: Headers; body?: Buffer }): FailureError;
  close(): Promise<void>;
}

export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Hex, of a body that is at hand whole. */
export const sha256Of = (body: Uint8Array): string => hash('sha256', body, 'hex');

const EMPTY = Buffer.alloc(0);
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
/**
 * A body written in one piece is under one timeout as a whole, so a slow store would cut an 8 MiB part; in pieces
 * the timeout starts anew with each. Small bodies go out in one write, which is cheaper.
 */
const ONE_WRITE_BYTES = 512 * 1024;
const PIECE_BYTES = 256 * 1024;

function bodyOf(chunks: readonly Uint8Array[], lengthBytes: number): Buffer | Iterable<Uint8Array> {
  if (lengthBytes <= ONE_WRITE_BYTES) {
    const [first] = chunks;
    return first && chunks.length === 1
      ? Buffer.from(first.buffer, first.byteOffset, first.byteLength)
      : Buffer.concat(chunks, lengthBytes);
  }
  return pieces(chunks);
}

function* pieces(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const chunk of chunks)
    for (let start = 0; start < chunk.byteLength; start += PIECE_BYTES)
      yield chunk.subarray(start, start + PIECE_BYTES);
}

/** AWS says InvalidRequest for this and for more: sent once more with the digest, it is refused again. */
const isMd5Missing = (code: string | undefined) => code === 'InvalidRequest' || code === 'MissingContentMD5';

function withMd5(request: SignedRequest): SignedRequest {
  const md5 = createHash('md5');
  for (const chunk of request.body ?? []) md5.update(chunk);
  return { ...request, headers: { ...request.headers, 'content-md5': md5.digest('base64') } };
}

async function readBounded({ headers, body }: StreamedResponse): Promise<Buffer> {
  // Nothing to read, as after every PUT: an iterator over it costs as much as signing.
  if (headers['content-length'] === '0') {
    body.on('error', () => undefined).resume();
    return EMPTY;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_RESPONSE_BYTES) throw failure('store_unavailable', 'an answer without end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function createSignedHttp(options: {
  address: Address;
  signer: Signer;
  clock: Pick<Clock, 'now'>;
  /** Silence on the socket, sending or receiving, that ends a request. */
  idleTimeoutMs: number;
  secureContext?: SecureContext | undefined;
}): SignedHttp {
  const { address, signer, clock, idleTimeoutMs, secureContext } = options;
  const agent = new Agent({
    // Parts travel side by side, each on a connection of its own; one h2 connection would be one line for all.
    allowH2: false,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(secureContext && { secureContext }) },
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
  });

  async function stream(request: SignedRequest): Promise<StreamedResponse> {
    const { method, path, query, body, signal } = request;
    signal.throwIfAborted();
    const headers = signer.sign(
      address,
      {
        method,
        path,
        ...(query ? { query } : {}),
        headers: { ...request.headers, 'x-amz-content-sha256': request.sha256 ?? EMPTY_SHA256 },
      },
      clock.now(),
    );
    const lengthBytes = body?.reduce((sum, chunk) => sum + chunk.byteLength, 0) ?? 0;
    if (body) headers['content-length'] = String(lengthBytes);
    const search = query ? canonicalQuery(query) : '';
    try {
      const answer = await agent.request({
        origin: address.origin,
        path: search ? `${path}?${search}` : path,
        method,
        headers,
        ...(body ? { body: bodyOf(body, lengthBytes) as Buffer } : {}),
        signal,
      });
      return { status: answer.statusCode, headers: joinHeaders(answer.headers), body: answer.body };
    } catch (error) {
      signal.throwIfAborted();
      throw failureOfConnection(error);
    }
  }

  async function buffer(answer: StreamedResponse, signal: AbortSignal): Promise<BufferedResponse> {
    const { status, headers } = answer;
    try {
      return { status, headers, body: await readBounded(answer) };
    } catch (error) {
      signal.throwIfAborted();
      throw failureOfConnection(error);
    }
  }

  const sendOnce = async (request: SignedRequest) => await buffer(await stream(request), request.signal);

  /**
   * A bucket with a default retention rule takes no object and no part without Content-MD5 or a checksum header; the
   * signed payload hash does not count. Learned from the first refusal, then sent with every body: the digest costs
   * CPU that other buckets do not want.
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
   */
  let needsMd5 = false;

  async function send(request: SignedRequest): Promise<BufferedResponse> {
    const isUpload = request.method === 'PUT' && request.body !== undefined;
    if (isUpload && needsMd5) return await sendOnce(withMd5(request));
    const answer = await sendOnce(request);
    if (!isUpload || answer.status !== 400 || !isMd5Missing(codeOf(answer.body.toString('utf8'))))
      return answer;
    const again = await sendOnce(withMd5(request));
    if (again.status < 300) needsMd5 = true;
    return again;
  }

  const failureOf: SignedHttp['failureOf'] = (answer) => failureOfResponse(answer, clock.now());

  return {
    stream,
    send,
    buffer,
    sendOk: async (request) => {
      const answer = await send(request);
      if (answer.status >= 200 && answer.status < 300) return answer;
      throw failureOf(answer);
    },
    failureOf,
    close: () => agent.destroy(),
  };
}
