/** Signed HTTP requests to the store, over undici. Every request to the store goes through this file. */
import { createHash, hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { Agent } from 'undici';
import { type FailureError, failure } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import { joinHeaders } from '../../runtime/network/http-headers.ts';
import { setStatus, traceRequest } from '../../runtime/tracing/requests.ts';
import { NO_TRACER, type Tracer } from '../../runtime/tracing/tracer.ts';
import type { Address } from './address.ts';
import { failureOfConnection, failureOfResponse, s3ErrorCodeOf } from './failure.ts';
import { canonicalQuery, type Signer } from './signing.ts';

export interface SignedRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Percent-encoded; it begins with the bucket where the addressing is by path. */
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
  /**
   * Resolves with the response of any status, its body unread. Throws a failure of ../../store-failures.ts where there is
   * no response, or the signal's reason.
   */
  stream(request: SignedRequest): Promise<StreamedResponse>;
  /** Like `stream`, with the body read into memory. */
  send(request: SignedRequest): Promise<BufferedResponse>;
  /** Reads the body of a response. Fails with store_unavailable beyond 4 MiB, which no S3 response has. */
  buffer(response: StreamedResponse, signal: AbortSignal): Promise<BufferedResponse>;
  /** Like `send`; throws the failure of a response that is not 2xx. */
  sendOk(request: SignedRequest): Promise<BufferedResponse>;
  /** Returns the failure that a response other than 2xx stands for. */
  failureOf(response: { status: number; headers: Headers; body?: Buffer }): FailureError;
  close(): Promise<void>;
}

export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Returns the hex digest of a whole body. */
export const sha256Of = (body: Uint8Array): string => hash('sha256', body, 'hex');

const EMPTY = Buffer.alloc(0);
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
/**
 * One write has one timeout, so a slow store would cut off an 8 MiB part written at once. Written in pieces, the
 * timeout starts anew with each. A small body is one write, which is cheaper.
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

/** AWS uses InvalidRequest for other reasons as well: the request repeated with the digest is then refused again. */
const isMd5Missing = (code: string | undefined) => code === 'InvalidRequest' || code === 'MissingContentMD5';

function withMd5(request: SignedRequest): SignedRequest {
  const md5 = createHash('md5');
  for (const chunk of request.body ?? []) md5.update(chunk);
  return { ...request, headers: { ...request.headers, 'content-md5': md5.digest('base64') } };
}

async function readBounded({ headers, body }: StreamedResponse): Promise<Buffer> {
  // As after every PUT: an iterator over an empty body costs as much as signing.
  if (headers['content-length'] === '0') {
    body.on('error', () => undefined).resume();
    return EMPTY;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_RESPONSE_BYTES) throw failure('store_unavailable', 'response body too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function createSignedHttp(options: {
  address: Address;
  signer: Signer;
  clock: Pick<Clock, 'now'>;
  /** How long a socket may be silent, sending or receiving, before the request fails. */
  idleTimeoutMs: number;
  secureContext?: SecureContext | undefined;
  tracer?: Tracer | undefined;
}): SignedHttp {
  const { address, signer, clock, idleTimeoutMs, secureContext, tracer = NO_TRACER } = options;
  const agent = new Agent({
    // Parts are sent in parallel, each on its own connection; with HTTP/2 they would share one.
    allowH2: false,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(secureContext && { secureContext }) },
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
  });

  /** Without the path, which has the key of the object: it is an attribute of the span around the request. */
  const stream = (request: SignedRequest): Promise<StreamedResponse> =>
    traceRequest(tracer, { method: request.method, url: address.origin, onlyInside: true }, async (span) => {
      const response = await exchange(request);
      setStatus(span, response.status);
      return response;
    });

  async function exchange(request: SignedRequest): Promise<StreamedResponse> {
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
      const response = await agent.request({
        origin: address.origin,
        path: search ? `${path}?${search}` : path,
        method,
        headers,
        ...(body ? { body: bodyOf(body, lengthBytes) as Buffer } : {}),
        signal,
      });
      return { status: response.statusCode, headers: joinHeaders(response.headers), body: response.body };
    } catch (error) {
      signal.throwIfAborted();
      throw failureOfConnection(error);
    }
  }

  async function buffer(response: StreamedResponse, signal: AbortSignal): Promise<BufferedResponse> {
    const { status, headers } = response;
    try {
      return { status, headers, body: await readBounded(response) };
    } catch (error) {
      signal.throwIfAborted();
      throw failureOfConnection(error);
    }
  }

  const sendOnce = async (request: SignedRequest) => await buffer(await stream(request), request.signal);

  /**
   * A bucket with a default retention rule refuses objects and parts without Content-MD5 or a checksum header; the
   * signed payload hash does not count. The first refusal sets this, and every body then carries the digest. It is not
   * always sent, because it costs CPU.
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
   */
  let needsMd5 = false;

  async function send(request: SignedRequest): Promise<BufferedResponse> {
    const isUpload = request.method === 'PUT' && request.body !== undefined;
    if (isUpload && needsMd5) return await sendOnce(withMd5(request));
    const response = await sendOnce(request);
    if (!isUpload || response.status !== 400 || !isMd5Missing(s3ErrorCodeOf(response.body.toString('utf8'))))
      return response;
    const again = await sendOnce(withMd5(request));
    if (again.status < 300) needsMd5 = true;
    return again;
  }

  const failureOf: SignedHttp['failureOf'] = (response) => failureOfResponse(response, clock.now());

  return {
    stream,
    send,
    buffer,
    sendOk: async (request) => {
      const response = await send(request);
      if (response.status >= 200 && response.status < 300) return response;
      throw failureOf(response);
    },
    failureOf,
    close: () => agent.destroy(),
  };
}
