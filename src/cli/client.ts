/** The API from outside: one request, its answer, and every refusal as a sentence with an exit code. */

import { TLS_PLACES, tlsSentence } from '../tls-failures.ts';

/** What scripts can tell apart; docs/cli.md lists them. */
export const EXIT = {
  ok: 0,
  /** It was done, and what it found is not as it should be. */
  findings: 1,
  usage: 2,
  /** The server understood and refused: unknown id, wrong field, not in a state for this. */
  refused: 3,
  /** No key, a wrong one, or one that does not reach this far. */
  key: 4,
  /** No server, or one that cannot now. */
  unavailable: 5,
  /** Left by Ctrl-C while watching. */
  interrupted: 130,
} as const;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | readonly (string | number)[] | undefined>>;
  readonly body?: unknown;
  /** Default 60,000. */
  readonly timeoutMs?: number;
  /** Statuses that are an answer, too. */
  readonly accept?: readonly number[];
}

export interface Client {
  readonly url: string;
  /** Throws {@link CliError}, or the signal's reason. */
  request<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, asked?: RequestOptions): Promise<T>;
}

export interface ClientOptions {
  readonly url: string;
  readonly key: string | undefined;
  readonly keyFile: string;
  readonly language: string;
  readonly signal: AbortSignal;
}

interface ProblemBody {
  readonly title?: string;
  readonly detail?: string;
  readonly advice?: string;
  readonly errors?: readonly { field: string; message: string }[];
}

export function createClient({ url, key, keyFile, language, signal }: ClientOptions): Client {
  const headers = {
    accept: 'application/json',
    'accept-language': language,
    ...(key ? { authorization: `Bearer ${key}` } : {}),
  };

  async function send(method: string, path: string, asked: RequestOptions): Promise<Response> {
    const { query = {}, body, timeoutMs = 60_000 } = asked;
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
      throw new CliError(unreachable(url, error), EXIT.unavailable);
    }
  }

  return {
    url,
    request: async <T>(method: string, path: string, asked: RequestOptions = {}): Promise<T> => {
      const answer = await send(method, path, asked);
      const text = await answer.text().catch((error) => {
        signal.throwIfAborted();
        throw new CliError(unreachable(url, error), EXIT.unavailable);
      });
      if (answer.ok || asked.accept?.includes(answer.status)) return parse(text, url) as T;
      throw refusal(answer.status, text, { url, hasKey: key !== undefined, keyFile });
    },
  };
}

function parse(text: string, url: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    throw new CliError(`${url} does not speak this program's API: it answered no JSON.`, EXIT.unavailable);
  }
}

function unreachable(url: string, error: unknown): string {
  const tls = tlsSentence(error, TLS_PLACES.server);
  if (tls) return `${url}: ${tls}`;
  const { cause, name } = error as { cause?: { code?: string }; name?: string };
  const why = name === 'TimeoutError' ? 'no answer in time' : (cause?.code ?? 'the connection failed');
  return `No server answers at ${url} (${why}). Start it with npm start, or say where it is: --url or WMA_URL.`;
}

function refusal(
  status: number,
  text: string,
  at: { url: string; hasKey: boolean; keyFile: string },
): CliError {
  let problem: ProblemBody = {};
  try {
    problem = JSON.parse(text) as ProblemBody;
  } catch {
    // A proxy's page, perhaps: its words are no help here.
  }
  if (status === 401) {
    const found = at.hasKey
      ? 'The server does not know this key.'
      : `The server wants a key, and none was found (looked in WMA_API_KEY, API_KEYS and ${at.keyFile}).`;
    return new CliError(`${found} Set WMA_API_KEY to a secret of the server's API_KEYS.`, EXIT.key);
  }
  const title = problem.title ?? `${at.url} answered ${status}`;
  const errors = (problem.errors ?? []).map(({ field, message }) => `\n  ${field}: ${message}`);
  const lines = [`${title}.`, problem.detail && `${problem.detail}.`, problem.advice].filter(Boolean);
  const exitCode =
    status === 403 ? EXIT.key : status >= 500 || status === 429 ? EXIT.unavailable : EXIT.refused;
  return new CliError(`${lines.join(' ')}${errors.join('')}`, exitCode);
}
