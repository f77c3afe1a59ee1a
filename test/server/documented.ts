/** The committed OpenAPI document, and what of a real response it does not describe. */
import { readFileSync } from 'node:fs';

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Record<string, Content> };
  readonly responses: Readonly<Record<string, ResponsePart>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly example?: unknown;
  readonly schema: Record<string, unknown>;
}
export interface Content {
  readonly schema?: Record<string, unknown>;
  readonly example?: unknown;
  readonly examples?: Record<string, unknown>;
}
export interface ResponsePart {
  readonly $ref?: string;
  readonly description?: string;
  readonly content?: Record<string, Content>;
}
export interface OpenApiDocument {
  readonly tags: readonly { name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly webhooks: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Record<string, unknown>>>;
    readonly responses: Readonly<Record<string, ResponsePart>>;
  };
}

export const OPENAPI_TEXT = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8');
const DOCUMENT = JSON.parse(OPENAPI_TEXT) as OpenApiDocument;

const ROUTES = Object.entries(DOCUMENT.paths).map(([path, operations]) => ({
  path,
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
  operations,
}));

/** Returns the operation of a request; undefined for a page, and for an address without a route. */
export function operationOf(method: string, address: string, document = DOCUMENT): Operation | undefined {
  const path = address.split('?')[0] as string;
  const name = method === 'HEAD' ? 'get' : method.toLowerCase();
  // A path without parameters comes first: /v1/media/batch is no id.
  const route = ROUTES.filter(({ pattern }) => pattern.test(path)).sort(
    (a, b) => a.path.split('{').length - b.path.split('{').length,
  )[0];
  return route && document.paths[route.path]?.[name];
}

/** Returns the codes of problems that an operation describes, by status. */
export function problemCodesOf(operation: Operation, document = DOCUMENT): Map<number, readonly string[]> {
  const { components } = document;
  return new Map(
    Object.entries(operation.responses).flatMap(([status, response]) => {
      const name = response.$ref?.split('/').at(-1);
      const { content } = name === undefined ? response : (components.responses[name] as ResponsePart);
      const examples = content?.['application/problem+json']?.examples;
      return examples ? [[Number(status), Object.keys(examples)] as const] : [];
    }),
  );
}

/**
 * Returns a sentence about a problem that the document does not describe; undefined: it describes it. Every test that
 * calls the test server checks this.
 */
export function undocumented(
  method: string,
  address: string,
  problem: { status: number; code: string },
): string | undefined {
  const operation = operationOf(method, address);
  if (!operation || problemCodesOf(operation).get(problem.status)?.includes(problem.code)) return undefined;
  return `${operation.operationId} sent the problem ${problem.code}, which its schema does not list under problems; add it, and generate docs/openapi.json again`;
}
