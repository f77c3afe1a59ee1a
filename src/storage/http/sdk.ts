/**
 * The SDK's client over our own signed HTTP: the SDK writes and parses the XML and knows which 200 is an error.
 * Addressing, signing, sockets, timeouts and retries are ours. Media bytes do not pass through the SDK.
 */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { FailureError } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Address } from './address.ts';
import { failureOfConnection, failureOfResponse } from './failure.ts';
import type { QuickRetry } from './quick-retry.ts';
import { type SignedHttp, type SignedRequest, sha256Of } from './signed-request.ts';

type RequestHandler = NonNullable<S3ClientConfig['requestHandler']>;
/** The fields used here of what the SDK passes to a request handler. */
interface SdkRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** Never contacted: with path style the handler can put the path under the real address. */
const PLACEHOLDER_ENDPOINT = 'https://store.invalid';

export interface Sdk {
  /** Runs one command, in up to three attempts. Throws a FailureError or the signal's reason. */
  run<T>(
    signal: AbortSignal,
    command: (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T>;
  close(): void;
}

export function createSdk(
  deps: { address: Address; http: SignedHttp; clock: Pick<Clock, 'now'>; retry: QuickRetry },
  options: { bucket: string; region: string },
): Sdk {
  const { address, http, clock, retry } = deps;
  const handler = {
    metadata: { handlerProtocol: 'http/1.1' },
    handle: async (request: SdkRequest, { abortSignal }: { abortSignal?: AbortSignal } = {}) => {
      const body = request.body === undefined ? undefined : bytesOf(request.body);
      if (!abortSignal) throw new Error('every request to the store can be aborted');
      const response = await http.send({
        method: request.method as SignedRequest['method'],
        path: address.under(request.path.slice(`/${options.bucket}`.length)),
        query: queryOf(request.query),
        headers: headersOf(request.headers),
        ...(body ? { body: [body], sha256: sha256Of(body) } : {}),
        signal: abortSignal,
      });
      return { response: { statusCode: response.status, headers: response.headers, body: response.body } };
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
    // It would open a new connection for each part, and wait 6 s where the store never sends 100.
    expectContinueHeader: false,
    followRegionRedirects: false,
    // The SDK's own retry waits out a Retry-After of up to 20 s and ignores the abort signal.
    maxAttempts: 1,
    credentials: { accessKeyId: 'signed', secretAccessKey: 'by signed-request.ts' },
    signer: { sign: async <T>(request: T) => request } as NonNullable<S3ClientConfig['signer']>,
    requestHandler: handler as unknown as RequestHandler,
  });

  return {
    run: (signal, command) =>
      retry(signal, () =>
        command(client, { abortSignal: signal }).catch((error) => {
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
  throw new Error(
    'the SDK may send buffers only: a stream cannot be hashed before it is sent, nor sent again',
  );
}

function queryOf(query: SdkRequest['query']): Record<string, string> {
  return Object.fromEntries(Object.entries(query ?? {}).map(([name, value]) => [name, String(value ?? '')]));
}

/** Host and length are set by signed-request.ts; the SDK's headers about itself are not sent. */
function headersOf(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !/^(host|content-length|authorization|user-agent|x-amz-user-agent|amz-sdk-.*)$/i.test(name),
    ),
  );
}

/** Returns the failure of an error of the SDK; a FailureError of our handler passes through. */
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
