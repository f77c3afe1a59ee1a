/**
 * The SDK's client over our own wire: the SDK writes and reads the XML and knows which 200 is an error; addressing,
 * signing, sockets, timeouts and repeats are ours. Media bytes do not pass here.
 */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { FailureError } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Address } from './address.ts';
import { failureOfConnection, failureOfResponse } from './failure.ts';
import type { QuickRetry } from './quick-retry.ts';
import { type SignedHttp, type SignedRequest, sha256Of } from './signed-request.ts';

type RequestHandler = NonNullable<S3ClientConfig['requestHandler']>;
/** What the SDK hands to a handler, as far as it is read here. */
interface SdkRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** Path style under a host that is never asked: the handler puts the path under the real address. */
const PLACEHOLDER_ENDPOINT = 'https://store.invalid';

export interface Sdk {
  /** Asks one thing, up to three times. Throws a FailureError or the signal's reason. */
  run<T>(
    signal: AbortSignal,
    act: (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T>;
  close(): void;
}

export function createSdk(
  deps: { address: Address; wire: SignedHttp; clock: Pick<Clock, 'now'>; repeat: QuickRetry },
  options: { bucket: string; region: string },
): Sdk {
  const { address, wire, clock, repeat } = deps;
  const handler = {
    metadata: { handlerProtocol: 'http/1.1' },
    handle: async (request: SdkRequest, { abortSignal }: { abortSignal?: AbortSignal } = {}) => {
      const body = request.body === undefined ? undefined : bytesOf(request.body);
      if (!abortSignal) throw new Error('every request to the store can be aborted');
      const answer = await wire.send({
        method: request.method as SignedRequest['method'],
        path: address.under(request.path.slice(`/${options.bucket}`.length)),
        query: queryOf(request.query),
        headers: headersOf(request.headers),
        ...(body ? { body: [body], sha256: sha256Of(body) } : {}),
        signal: abortSignal,
      });
      return { response: { statusCode: answer.status, headers: answer.headers, body: answer.body } };
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    destroy: () => undefined,
  };
  const client = new S3Client({
    endpoint: PLACEHOLDER_ENDPOINT,
    region: options.region,
    forcePathStyle: true,
    // CRC32 trailers are refused by OSS, COS, OBS and old releases of everything; the payload hash proves more.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // A new connection per part, and 6 s of waiting where the store never sends 100.
    expectContinueHeader: false,
    followRegionRedirects: false,
    // It would sleep up to 20 s where the store asks for patience, without an ear for the signal.
    maxAttempts: 1,
    credentials: { accessKeyId: 'signed', secretAccessKey: 'by wire.ts' },
    signer: { sign: async <T>(request: T) => request } as NonNullable<S3ClientConfig['signer']>,
    requestHandler: handler as unknown as RequestHandler,
  });

  return {
    run: (signal, act) =>
      repeat(signal, () =>
        act(client, { abortSignal: signal }).catch((error) => {
          signal.throwIfAborted();
          throw sdkFailure(error, clock.now());
        }),
      ),
    close: () => client.destroy(),
  };
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (typeof body === 'string') return Buffer.from(body);
  throw new Error('the SDK sends buffers only: a stream could be neither proven nor repeated');
}

function queryOf(query: SdkRequest['query']): Record<string, string> {
  return Object.fromEntries(Object.entries(query ?? {}).map(([name, value]) => [name, String(value ?? '')]));
}

/** Host and length are the wire's to set; the rest of the SDK's talk about itself need not travel. */
function headersOf(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !/^(host|content-length|authorization|user-agent|x-amz-user-agent|amz-sdk-.*)$/i.test(name),
    ),
  );
}

/** Ours pass through. */
function sdkFailure(error: unknown, now: Date): FailureError {
  const { $metadata, $response, name } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
    name?: string;
  };
  const status = $metadata?.httpStatusCode;
  if (error instanceof FailureError || status === undefined) return failureOfConnection(error);
  const code = name && /^[A-Za-z0-9.]{1,64}$/.test(name) ? name : undefined;
  return failureOfResponse({ status, code, headers: $response?.headers ?? {} }, now);
}
