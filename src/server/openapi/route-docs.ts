/** What a route says about itself beside its schemas, for the OpenAPI document. */
import type { ProblemCode } from '../problem-table.ts';

export interface RouteExamples {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly querystring?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  /** By status. */
  readonly response?: Readonly<Record<number, unknown>>;
}

declare module 'fastify' {
  interface FastifySchema {
    /** Valid values. They are in the document, and in the sentence about a field that is not valid. */
    examples?: RouteExamples;
    /** The problems that this route sends besides those that any route may send (see problem-responses.ts). */
    problems?: readonly ProblemCode[];
    /** By status: the types of content that is not JSON. */
    contentTypes?: Readonly<Record<number, readonly string[]>>;
    /** Parts of the operation that no schema checks. */
    documentOnly?: { readonly parameters?: readonly object[]; readonly requestBody?: object };
  }
}
