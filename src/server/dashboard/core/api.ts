/**
 * The dashboard reads and acts only through the API of the same process. So a page shows no more than the key may see,
 * an action is checked, limited and recorded like any other, and a number on a page is the number that a program gets.
 */
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { FastifyRequest, InjectOptions } from 'fastify';
import { type Language, type Problem, problemBody } from '../../problem.ts';
import { PROBLEMS } from '../../problem-table.ts';
import type { App } from '../../route-deps.ts';
import { addressOf, type Query } from './address.ts';

/** What JSON makes of a value: a Date is a string. */
export type Json<T> = T extends Date ? string : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

/** A response that is no success, with the problem in the language of the page. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly problem: ApiProblem;
  constructor(status: number, problem: ApiProblem) {
    super(`${status} ${problem.code}`);
    this.status = status;
    this.problem = problem;
  }
}

export interface ApiProblem {
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly advice: string;
  readonly errors?: readonly { field: string; message: string }[];
}

/** The error as the API would send it, where a page finds the problem itself. */
export function apiErrorOf(problem: Problem, language: Language): ApiError {
  const body = problemBody(problem, language) as unknown as ApiProblem;
  return new ApiError(PROBLEMS[problem.code].status, body);
}

export interface Api {
  /** Throws ApiError. `T` is the JSON of the route's response. */
  get<T>(path: string, query?: Query): Promise<T>;
  /** Throws ApiError. An empty response resolves with undefined. */
  send<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<T>;
  /** A POST whose response is a file. Destroying the body ends the response. Throws ApiError. */
  stream(path: string, body: object): Promise<{ headers: Readonly<Record<string, string>>; body: Readable }>;
}

/** Headers by which the API recognises the client and its page, and refuses a page of another origin. */
const FORWARDED = [
  'authorization',
  'cookie',
  'host',
  'origin',
  'referer',
  'sec-fetch-site',
  'user-agent',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
] as const;

const jsonOf = (body: object | undefined) =>
  body === undefined
    ? {}
    : { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } };

const NO_PROBLEM: ApiProblem = { code: 'internal', title: 'Something unexpected happened', advice: '' };

/** Calls the API with the rights of the request's client. */
export function createApi(app: App, request: FastifyRequest, language: string): Api {
  const headers: Record<string, string> = { accept: 'application/json', 'accept-language': language };
  for (const name of FORWARDED) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const withClient = (options: InjectOptions): InjectOptions => ({
    ...options,
    remoteAddress: request.socket.remoteAddress ?? '127.0.0.1',
    headers: { ...headers, ...options.headers },
  });
  function parse(contentType: unknown, text: string): unknown {
    return /json/.test(String(contentType ?? '')) && text !== '' ? JSON.parse(text) : undefined;
  }
  function errorOf(status: number, body: unknown): ApiError {
    return new ApiError(status, { ...NO_PROBLEM, ...(body as Partial<ApiProblem> | undefined) });
  }
  async function call<T>(options: InjectOptions): Promise<T> {
    const response = await app.inject(withClient(options));
    const body = parse(response.headers['content-type'], response.body);
    if (response.statusCode < 400) return body as T;
    throw errorOf(response.statusCode, body);
  }
  async function stream(path: string, body: object) {
    const response = await app.inject(
      withClient({ method: 'POST', url: path, ...jsonOf(body), payloadAsStream: true }),
    );
    const content = response.stream();
    // Without this the route would wait for a reader that is gone.
    content.once('close', () => response.raw.res.destroy());
    const type = response.headers['content-type'];
    if (response.statusCode >= 400) throw errorOf(response.statusCode, parse(type, await text(content)));
    return { headers: response.headers as Record<string, string>, body: content };
  }
  return {
    get: (path, query) => call({ method: 'GET', url: addressOf(path, query) }),
    send: (method, path, body) =>
      call({
        method,
        url: path,
        ...jsonOf(body),
      }),
    stream,
  };
}
