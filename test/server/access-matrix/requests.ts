/** Generates requests for every operation of an OpenAPI document, with the values of one account. */

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

interface Operation {
  readonly description?: string;
  readonly parameters?: readonly { name: string; in: string; schema: Schema }[];
  readonly requestBody?: { content: Record<string, { schema: Schema }> };
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface ApiRequest {
  readonly method: string;
  /** As the document writes it: `/v1/media/{id}`. */
  readonly route: string;
  /** With parameters and query filled in. */
  readonly path: string;
  readonly json?: unknown;
  /** The fields of a form of a page. */
  readonly form?: Readonly<Record<string, string>>;
  /** The description in the document, which names scope and accounts. */
  readonly description: string;
}

export interface Values {
  /** Names and ids of accounts, including the key's own: each request is generated with each of them. */
  readonly accounts: readonly string[];
  /** Ids of all that belongs to the account; each is used where its pattern fits. */
  readonly ids: readonly string[];
  /** By the name of the field. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The fields of a new reference, which hold no secret. */
  readonly reference: Readonly<Record<string, unknown>>;
}

const LATER = '2099-01-01T00:00:00Z';

/** All values to test: every id whose pattern fits, every name of the account. */
function valuesOf(name: string, schema: Schema, values: Values): unknown[] {
  const { accounts, ids, fields } = values;
  if (schema.anyOf) return valuesOf(name, schema.anyOf[0] as Schema, values);
  if (schema.type === 'array') {
    // An item without a schema is a reference.
    const item = schema.items?.type || schema.items?.enum ? schema.items : undefined;
    if (!item) return accounts.map((account) => [{ ...values.reference, account }]);
    return valuesOf(name, item, values).map((value) => [value]);
  }
  if (schema.type === 'object') return bodiesOf(schema, values);
  if (schema.enum) return [schema.enum[0]];
  if (name === 'account') return [...accounts];
  if (schema.pattern && !schema.format) {
    const fitting = ids.filter((id) => new RegExp(schema.pattern as string).test(id));
    if (fitting.length > 0) return fitting;
  }
  if (name === 'target') return [...ids, ...accounts];
  if (name in fields) return [fields[name]];
  if (schema.format === 'date-time' || schema.pattern?.includes('T(?:')) return [LATER];
  if (schema.type === 'integer' || schema.type === 'number') return [schema.minimum ?? 1];
  if (schema.type === 'boolean') return [true];
  return ['x'];
}

/** The required fields and the account; and the same with each optional field. */
function bodiesOf(schema: Schema, all: Values): Record<string, unknown>[] {
  const { properties = {}, required = [] } = schema;
  const values = properties.mediaId ? { ...all, ids: [], fields: all.reference } : all;
  const always = Object.keys(properties).filter((name) => required.includes(name) || name === 'account');
  let bodies: Record<string, unknown>[] = [{}];
  for (const name of always) {
    const choices = valuesOf(name, properties[name] as Schema, values);
    bodies = bodies.flatMap((body) => choices.map((value) => ({ ...body, [name]: value })));
  }
  const optional = Object.keys(properties).filter((name) => !always.includes(name));
  return bodies.flatMap((body) => [
    body,
    ...optional.flatMap((name) =>
      valuesOf(name, properties[name] as Schema, values).map((value) => ({ ...body, [name]: value })),
    ),
  ]);
}

function pathsOf(route: string, { parameters = [] }: Operation, values: Values): string[] {
  let paths = [route];
  for (const { name, schema } of parameters.filter((one) => one.in === 'path')) {
    const all = valuesOf(name, schema, values).map((value) => encodeURIComponent(String(value)));
    paths = paths.flatMap((path) => all.map((value) => path.replace(`{${name}}`, value)));
  }
  const queries = parameters
    .filter((one) => one.in === 'query')
    .flatMap(({ name, schema }) =>
      valuesOf(name, schema, values).map((value) => `?${new URLSearchParams({ [name]: String(value) })}`),
    );
  return paths.flatMap((path) => ['', ...queries].map((query) => path + query));
}

/** Replaces references by the schemas that they name. Schemas of requests have no cycles. */
const withoutReferences = (schema: Schema, { components }: OpenApi): Schema =>
  JSON.parse(JSON.stringify(schema), (_key, value) => {
    const name = (value as { $ref?: string } | null)?.$ref?.split('/').at(-1);
    return name === undefined
      ? value
      : withoutReferences(components.schemas[name] as Schema, { components, paths: {} });
  });

export function requestsOf(document: OpenApi, values: Values): ApiRequest[] {
  return Object.entries(document.paths).flatMap(([route, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const schema = operation.requestBody?.content['application/json']?.schema;
      const bodies = schema ? valuesOf('(body)', withoutReferences(schema, document), values) : [undefined];
      const { description = '' } = operation;
      return pathsOf(route, operation, values).flatMap((path) =>
        bodies.map((json) => ({
          method: method.toUpperCase(),
          route,
          path,
          description,
          ...(json === undefined ? {} : { json }),
        })),
      );
    }),
  );
}

/** What is typed into any form of a page; each page reads the fields that it knows. */
const TYPED = {
  reason: 'a reason',
  confirm: '1',
  how: '1h',
  what: 'sample',
  sample: '1',
  rate: '1',
  status: 'dead',
  ttl: '1h',
};

/** Requests for a route that the document does not describe (`GET /redrives/{id}`): a page, or one of its forms. */
export function pageRequestsOf(route: string, { accounts, ids, fields }: Values): ApiRequest[] {
  const [method = '', path = ''] = route.split(' ');
  const name = /\{(\w+)\}/.exec(path)?.[1];
  const known = name === 'account' ? accounts : name === 'id' ? ids : ['wma-archive'];
  const paths =
    name === undefined ? [path] : known.map((value) => path.replace(`{${name}}`, encodeURIComponent(value)));
  // Pages that act on a filter have it in their address, and forms name an account.
  const filters = /^\/(redrive|erase|export|media|audit-log)$/.test(path)
    ? accounts.map((account) => ({ account, openId: String(fields.openId) }))
    : [];
  const targets = ['', ...filters.map((filter) => `?${new URLSearchParams(filter)}`)];
  const forms = method === 'GET' ? [undefined] : accounts.map((account) => ({ ...TYPED, account }));
  return paths.flatMap((filled) =>
    targets.flatMap((query) =>
      forms.map((form) => ({
        method,
        route: path,
        path: filled + query,
        description: '',
        ...(form ? { form } : {}),
      })),
    ),
  );
}
