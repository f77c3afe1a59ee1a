/** The client of the HTTP API. Sends requests, and turns every error into a message with an exit code. */
import { TLS_PLACES, tlsSentence } from '../tls-failures.ts';

/** Exit codes; docs/cli.md lists them. */
export const EXIT = {
  ok: 0,
  /** The command succeeded, but reports at least one finding. */
  findings: 1,
  usage: 2,
  /** The server refused the request: unknown id, invalid value, or a status that does not allow the action. */
  refused: 3,
  /** The key is missing or wrong, or does not allow the action. */
  key: 4,
  /** The server cannot be reached, or cannot process the request now. */
  unavailable: 5,
  /** Ended by Ctrl-C while watching. */
  interrupted: 130,
} as const;

export interface ProblemBody {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly advice?: string;
  readonly errors?: readonly { field: string; message: string }[];
  /** With cursor_expired. */
  readonly oldestCursor?: string;
}

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  /** The problem with which the server responded. */
  readonly problem: ProblemBody | undefined;
  constructor(message: string, exitCode: number, problem?: ProblemBody) {
    super(message);
    this.exitCode = exitCode;
    this.problem = problem;
  }
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | readonly (string | number)[] | undefined>>;
  readonly body?: unknown;
  /** Default 60,000. */
  readonly timeoutMs?: number;
  /** Other statuses that are not errors. */
  readonly accept?: readonly number[];
}

export interface Client {
  readonly url: string;
  /** Sends a request and resolves with the parsed JSON. Rejects with a {@link CliError}, or the signal's reason. */
  request<T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    options?: RequestOptions,
  ): Promise<T>;
  /**
   * Sends a request and yields the bytes of its response. Throws a {@link CliError} for a status that is an error, and
   * where the response breaks off.
   */
  download(path: string, options: RequestOptions): AsyncGenerator<Uint8Array>;
}

export interface ClientOptions {
  readonly url: string;
  readonly key: string | undefined;
  readonly keyFile: string;
  readonly language: string;
  readonly signal: AbortSignal;
}

export function createClient({ url, key, keyFile, language, signal }: ClientOptions): Client {
  const headers = {
    accept: 'application/json',
    'accept-language': language,
    ...(key ? { authorization: `Bearer ${key}` } : {}),
  };

  async function send(method: string, path: string, options: RequestOptions): Promise<Response> {
    const { query = {}, body, timeoutMs = 60_000 } = options;
    const search = new URLSearchParams();
    for (const [name, values] of Object.entries(query))
      for (const value of [values ?? []].flat()) search.append(name, String(value));
    try {
      return await fetch(`${url}${path}${search.size > 0 ? `?${search}` : ''}`, {
        method,
        redirect: 'manual',
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new CliError(unreachableMessage(url, error), EXIT.unavailable);
    }
  }

  const refused = (status: number, text: string) =>
    errorOf(status, text, { url, hasKey: key !== undefined, keyFile });

  return {
    url,
    download: async function* (path, options) {
      const response = await send('POST', path, options);
      if (!response.ok) throw refused(response.status, await response.text().catch(() => ''));
      try {
        for await (const chunk of response.body ?? []) yield chunk as Uint8Array;
      } catch {
        signal.throwIfAborted();
        throw new CliError(
          'The download broke off: the server or its storage failed. Nothing was kept; try again.',
          EXIT.unavailable,
        );
      }
    },
    request: async <T>(method: string, path: string, options: RequestOptions = {}): Promise<T> => {
      const response = await send(method, path, options);
      const text = await response.text().catch((error) => {
        signal.throwIfAborted();
        throw new CliError(unreachableMessage(url, error), EXIT.unavailable);
      });
      if (response.ok || options.accept?.includes(response.status)) return parse(text, url) as T;
      throw refused(response.status, text);
    },
  };
}

function parse(text: string, url: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    throw new CliError(`${url} is not a server of this program: its response is not JSON.`, EXIT.unavailable);
  }
}

function unreachableMessage(url: string, error: unknown): string {
  const tls = tlsSentence(error, TLS_PLACES.server);
  if (tls) return `${url}: ${tls}`;
  const { cause, name } = error as { cause?: { code?: string }; name?: string };
  const why = name === 'TimeoutError' ? 'no response in time' : (cause?.code ?? 'the connection failed');
  return `No server responds at ${url} (${why}). Start it with npm start, or set its address with --url or WMA_URL.`;
}

function errorOf(
  status: number,
  text: string,
  at: { url: string; hasKey: boolean; keyFile: string },
): CliError {
  let problem: ProblemBody = {};
  try {
    problem = JSON.parse(text) as ProblemBody;
  } catch {
    // Not JSON, for example the error page of a proxy. Its text would not help here.
  }
  if (status === 401) {
    const found = at.hasKey
      ? 'The server does not know this key.'
      : `The server requires a key, and none was found in WMA_API_KEY, API_KEYS or ${at.keyFile}.`;
    return new CliError(`${found} Set WMA_API_KEY to a secret of the server's API_KEYS.`, EXIT.key);
  }
  const title = problem.title ?? `${at.url} responded with status ${status}`;
  const errors = (problem.errors ?? []).map(({ field, message }) => `\n  ${field}: ${message}`);
  const lines = [`${title}.`, problem.detail && `${problem.detail}.`, problem.advice].filter(Boolean);
  const exitCode =
    status === 403 ? EXIT.key : status >= 500 || status === 429 ? EXIT.unavailable : EXIT.refused;
  return new CliError(`${lines.join(' ')}${errors.join('')}`, exitCode, problem);
}
