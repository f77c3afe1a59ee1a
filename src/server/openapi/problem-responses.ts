/** The error responses of an operation: a status, the problems that have it, and an example of each. */
import { Problem, problemBody } from '../problem.ts';
import { PROBLEMS, type ProblemCode } from '../problem-table.ts';

export interface DocumentedRoute {
  readonly method: string;
  readonly url: string;
  readonly scope: string;
  readonly problems: readonly ProblemCode[];
}

/** Problems that a route need not list, because its method, scope or address say that it may send them. */
export function problemsOf({ method, url, scope, problems }: DocumentedRoute): ProblemCode[] {
  const isApi = url.startsWith('/v1/');
  // The loads of these are not limited: see load-shedding.ts.
  const isMonitoring = /^\/(?:livez|readyz|metrics|wechat)/.test(url);
  const common: ProblemCode[] = [
    // Also where nothing is validated: of an address or a header that HTTP forbids.
    'invalid_request',
    ...(scope === 'open'
      ? []
      : (['unauthorized', 'forbidden', 'too_many_requests', 'database_away'] as const)),
    ...(isApi && method !== 'GET' ? (['body_too_large', 'unsupported_type'] as const) : []),
    ...(isMonitoring ? [] : (['overloaded'] as const)),
    ...(/^\/(?:livez|readyz)/.test(url) ? [] : (['starting'] as const)),
    'internal',
  ];
  return [...new Set([...common, ...problems])];
}

const pascal = (code: string) =>
  code.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The name of a response that several operations have; undefined: it is written where it is used. */
function nameOf(codes: readonly ProblemCode[]): string | undefined {
  if (codes.join() === 'database_away,overloaded,starting') return 'Unavailable';
  return codes.length === 1 ? pascal(codes[0] as string) : undefined;
}

const RETRY_AFTER = {
  'retry-after': {
    description: 'seconds to wait before the same request is sent again',
    schema: { type: 'integer', example: 5 },
  },
};

type Parts = { responses: Record<string, object>; examples: Record<string, object> };

/** Collects the responses and examples that operations refer to, so that each is in the document once. */
export function createProblemResponses() {
  const used: Parts = { responses: {}, examples: {} };

  function responseOf(status: number, codes: readonly ProblemCode[]): object {
    const name = nameOf(codes);
    const response = {
      description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('. '),
      ...(status === 429 || status === 503 ? { headers: RETRY_AFTER } : {}),
      content: {
        'application/problem+json': {
          schema: { $ref: '#/components/schemas/Problem' },
          examples: Object.fromEntries(codes.map((code) => [code, exampleOf(code)])),
        },
      },
    };
    if (name === undefined) return response;
    used.responses[name] = response;
    return { $ref: `#/components/responses/${name}` };
  }

  function exampleOf(code: ProblemCode): object {
    used.examples[code] ??= { summary: PROBLEMS[code].title, value: problemBody(exampleProblem(code), 'en') };
    return { $ref: `#/components/examples/${code}` };
  }

  return {
    /** Returns the responses by status, in ascending order. */
    responsesOf: (route: DocumentedRoute): Record<string, object> => {
      const byStatus = Map.groupBy(problemsOf(route).sort(), (code) => PROBLEMS[code].status);
      const sorted = [...byStatus].sort(([a], [b]) => a - b);
      return Object.fromEntries(sorted.map(([status, codes]) => [status, responseOf(status, codes)]));
    },
    /** Returns what `components` must contain. Must be called last. */
    components: (): Parts => ({
      responses: sortedByName(used.responses),
      examples: sortedByName(used.examples),
    }),
  };
}

const sortedByName = (parts: Record<string, object>) =>
  Object.fromEntries(Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1)));

function exampleProblem(code: ProblemCode): Problem {
  if (code !== 'invalid_request') return new Problem(code);
  const message = { en: 'is required, for example "image"', zh: '为必填项，例如 "image"' };
  return new Problem(code, { errors: [{ field: 'kind', message }] });
}
