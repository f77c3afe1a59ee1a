/** One HTTP request of the client, over fetch. Every wait has a limit, and every error is a {@link ClientError}. */
import { parseRetryAfterMs } from '../../runtime/network/retry-after.ts';
import { ClientError, type FieldError } from './client-error.ts';
import type { Settings } from './options.ts';

const LONGEST_JSON_BYTES = 32 * 1024 * 1024;
const LONGEST_PROBLEM_BYTES = 64 * 1024;

export type Query = Readonly<Record<string, string | number | readonly (string | number)[] | undefined>>;

export interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Limits {
  /** Until the headers of the response. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenResponse {
  readonly status: number;
  readonly headers: Headers;
  /**
   * Yields the body. Throws `timeout` if a chunk takes longer than `limitMs` returns, and `unavailable` if the body
   * breaks off. Closes the response at its end, and when the caller stops reading.
   */
  chunks(limitMs: () => number): AsyncGenerator<Uint8Array, void, undefined>;
  /** Ends the connection, unless the body has been read. Idempotent. */
  close(): void;
}

/** Sends a request. Resolves with a response of any status as soon as its headers are there. */
export async function openResponse(
  { url, key, language }: Settings,
  { method, path, query = {}, body, headers = {} }: Request,
  { timeoutMs, signal }: Limits,
): Promise<OpenResponse> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const limit = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(timeoutError(url, ms)), ms);
  };
  const close = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    controller.abort();
  };
  const failed = (error: unknown) =>
    controller.signal.aborted ? controller.signal.reason : connectionError(url, error);

  limit(timeoutMs);
  try {
    const response = await fetch(`${url}${path}${searchOf(query)}`, {
      method,
      // The key must not follow a redirect to another host.
      redirect: 'manual',
      headers: {
        accept: 'application/json',
        'accept-language': language,
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: controller.signal,
    });
    clearTimeout(timer);
    return {
      status: response.status,
      headers: response.headers,
      close,
      chunks: async function* (limitMs) {
        try {
          const reader = response.body?.getReader();
          while (reader) {
            limit(limitMs());
            const { done, value } = await reader.read();
            clearTimeout(timer);
            if (done) return;
            yield value as Uint8Array;
          }
        } catch (error) {
          throw failed(error);
        } finally {
          close();
        }
      },
    };
  } catch (error) {
    const reason = failed(error);
    close();
    throw reason;
  }
}

/** Sends a request and resolves with its parsed JSON. Rejects for every status that is not 2xx. */
export async function requestJson<T>(settings: Settings, request: Request, limits: Limits): Promise<T> {
  const endsAt = performance.now() + limits.timeoutMs;
  const response = await openResponse(settings, request, limits);
  const leftMs = () => Math.max(1, endsAt - performance.now());
  if (!isSuccess(response)) throw await refusal(settings, response, leftMs());
  const text = await readText(response, { leftMs, atMostBytes: LONGEST_JSON_BYTES, url: settings.url });
  try {
    return JSON.parse(text) as T;
  } catch {
    throw unexpected(settings.url, 'its response is not JSON', response.status);
  }
}

export const isSuccess = ({ status }: Pick<OpenResponse, 'status'>) => status >= 200 && status < 300;

/** Reads the body of a response that is no success, and resolves with its error. */
export async function refusal(
  settings: Settings,
  response: OpenResponse,
  timeoutMs: number,
): Promise<ClientError> {
  const endsAt = performance.now() + timeoutMs;
  const { status, headers } = response;
  const retryAfterMs = parseRetryAfterMs(headers.get('retry-after') ?? undefined, new Date());
  if (status >= 300 && status < 400) {
    response.close();
    const location = headers.get('location') ?? '';
    const to = URL.canParse(location, settings.url) ? ` to ${new URL(location, settings.url).origin}` : '';
    return unexpected(settings.url, `it redirects${to}; set url to the address that it redirects to`, status);
  }
  const leftMs = () => Math.max(1, endsAt - performance.now());
  const limits = { leftMs, atMostBytes: LONGEST_PROBLEM_BYTES, url: settings.url };
  const problem = problemOf(await readText(response, limits).catch(() => ''));
  if (!problem) {
    const title = `${settings.url} responded with status ${status}, and not as this service does`;
    return new ClientError('unexpected_response', title, { status, retryAfterMs });
  }
  // A server or a proxy that repeats the request in its text must not bring the key into a log.
  const text = (value: unknown) =>
    typeof value === 'string' ? value.replaceAll(settings.key, '[key]') : undefined;
  const errors = Array.isArray(problem.errors) ? (problem.errors as Partial<FieldError>[]) : [];
  return new ClientError(text(problem.code) ?? '', text(problem.title) ?? '', {
    status,
    detail: text(problem.detail),
    advice: text(problem.advice),
    errors: errors.map(({ field, message }) => ({ field: text(field) ?? '', message: text(message) ?? '' })),
    retryAfterMs,
  });
}

export const unexpected = (url: string, what: string, status?: number) =>
  new ClientError('unexpected_response', `${url} does not respond as this service does: ${what}`, { status });

async function readText(
  response: OpenResponse,
  { leftMs, atMostBytes, url }: { leftMs: () => number; atMostBytes: number; url: string },
): Promise<string> {
  const decoder = new TextDecoder();
  let sizeBytes = 0;
  let text = '';
  for await (const chunk of response.chunks(leftMs)) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > atMostBytes) throw unexpected(url, `more than ${atMostBytes} bytes`, response.status);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Returns the fields of a problem; undefined if the text is none, for example the error page of a proxy. */
function problemOf(text: string): Record<string, unknown> | undefined {
  try {
    const problem = JSON.parse(text) as Record<string, unknown> | null;
    return typeof problem?.code === 'string' && typeof problem.title === 'string' ? problem : undefined;
  } catch {
    return undefined;
  }
}

function searchOf(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, values] of Object.entries(query))
    for (const value of [values ?? []].flat()) search.append(name, String(value));
  return search.size > 0 ? `?${search}` : '';
}

const timeoutError = (url: string, ms: number) =>
  new ClientError('timeout', `no response from ${url} within ${Math.round(ms)} ms`);

function connectionError(url: string, error: unknown): ClientError {
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  const why = cause?.code ?? cause?.message ?? (error as Error).message;
  return new ClientError('unavailable', `the connection to ${url} failed (${String(why)})`, { cause: error });
}
