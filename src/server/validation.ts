/** Validates the parts of a request, and describes what is wrong with the examples of the route. */
import type { FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { type FieldError, fieldErrorsOf, parseInput } from '../field-errors.ts';

const PLACES = { body: 'body', querystring: 'query', params: 'params' } as const;
type Part = keyof typeof PLACES;

/** A part of a request does not match its schema. */
export class InvalidInputError extends Error {
  override readonly name = 'InvalidInputError';
  readonly issues: readonly z.core.$ZodIssue[];
  readonly part: Part;
  readonly input: unknown;
  readonly schema: z.core.$ZodType;
  constructor(part: Part, schema: z.core.$ZodType, input: unknown, issues: readonly z.core.$ZodIssue[]) {
    super('the request does not match its schema');
    this.part = part;
    this.schema = schema;
    this.input = input;
    this.issues = issues;
  }
}

export const compileValidator: FastifySchemaCompiler<z.core.$ZodType> =
  ({ schema, httpPart }) =>
  (input: unknown) => {
    const result = parseInput(schema, input);
    if (result.success) return { value: result.data };
    const part = (httpPart ?? 'body') as Part;
    return { error: new InvalidInputError(part, schema, input, result.error.issues) };
  };

/** Returns what is wrong with each field. The values of the examples are those of the route's example in its document. */
export function fieldErrorsOfRequest(error: InvalidInputError, request: FastifyRequest): FieldError[] {
  const { part, schema, input, issues } = error;
  const { examples } = request.routeOptions.schema ?? {};
  return fieldErrorsOf(issues, { place: PLACES[part], schema, input, example: examples?.[part] });
}
