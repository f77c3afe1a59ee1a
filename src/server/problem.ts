/**
 * Error responses (RFC 9457, application/problem+json). problem-table.ts has all problems.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Language } from '../explanation.ts';
import type { FieldError } from '../field-errors.ts';
import { MEANINGS } from './problem-meanings.ts';
import { PROBLEMS, type ProblemCode } from './problem-table.ts';

/** The page with an entry for each problem, which this server shows without a key. */
export const PROBLEMS_PATH = '/docs/problems';

/**
 * Returns the `type` of a problem: the address of its entry. It is relative to the server, because no address outside
 * is certain to be reachable where this service runs, and it has the full path, as RFC 9457 recommends for that.
 */
export const problemTypeOf = (code: ProblemCode): string => `${PROBLEMS_PATH}#${code}`;

/** Thrown by a route and sent by the error handler. `detail` is our own text and contains no secret. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly detail: string | undefined;
  readonly errors: readonly FieldError[] | undefined;
  readonly more: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds: number | undefined;
  constructor(
    code: ProblemCode,
    options: {
      detail?: string;
      errors?: readonly FieldError[];
      more?: Record<string, unknown>;
      retryAfterSeconds?: number;
    } = {},
  ) {
    super(PROBLEMS[code].title);
    this.code = code;
    this.detail = options.detail;
    this.errors = options.errors;
    this.more = options.more ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

export type { Language };

/** Returns the language that Accept-Language prefers. Default: English. */
export function languageOf(request: Pick<FastifyRequest, 'headers'>): Language {
  const accepted = request.headers['accept-language'] ?? '';
  let best: { language: Language; weight: number } = { language: 'en', weight: 0 };
  for (const entry of accepted.slice(0, 200).split(',')) {
    const [tag = '', ...parameters] = entry.trim().toLowerCase().split(';');
    const quality = parameters.map((parameter) => /^\s*q=([\d.]+)$/.exec(parameter)?.[1]).find(Boolean);
    const weight = quality === undefined ? 1 : Number.parseFloat(quality);
    const language = tag.startsWith('zh') ? 'zh' : tag.startsWith('en') ? 'en' : undefined;
    if (language && weight > best.weight) best = { language, weight };
  }
  return best.language;
}

/** Returns the body of a problem response, which is also the result of a refused item in a batch. */
export function problemBody(problem: Problem, language: Language): Record<string, unknown> {
  const { status, title, advice } = PROBLEMS[problem.code];
  const errors = problem.errors?.map(({ field, message }) => ({ field, message: message[language] }));
  return {
    type: problemTypeOf(problem.code),
    title: language === 'zh' ? MEANINGS[problem.code].titleZh : title,
    status,
    code: problem.code,
    ...(problem.detail ? { detail: problem.detail } : {}),
    advice: advice[language],
    ...(errors ? { errors } : {}),
    ...problem.more,
  };
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.code === 'unauthorized') reply.header('www-authenticate', 'Bearer');
  if (problem.retryAfterSeconds) reply.header('retry-after', String(problem.retryAfterSeconds));
  return reply
    .code(PROBLEMS[problem.code].status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .header('vary', 'Accept-Language')
    .send(JSON.stringify(problemBody(problem, languageOf(request))));
}
