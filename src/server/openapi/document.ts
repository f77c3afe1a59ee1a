/** The OpenAPI document: what the routes say about themselves, as generators of clients expect it. */
import swagger from '@fastify/swagger';
import type { FastifySchema } from 'fastify';
import { createJsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { parseInput } from '../../field-errors.ts';
import type { App } from '../route-deps.ts';
import { createProblemResponses, type DocumentedRoute } from './problem-responses.ts';
import type { RouteExamples } from './route-docs.ts';
import { simplifySchema, usedSchemas, visitObjects } from './schemas.ts';

const DESCRIPTION = `Archives the pictures, voices and videos that users send to WeChat accounts into S3-compatible storage,
before WeChat deletes them after three days, and keeps a catalogue of them.

**Keys.** Send \`Authorization: Bearer <secret>\` with a secret of \`API_KEYS\`. A key has one of three scopes: \`read\`
(all GET, links and exports), \`write\` (adds media items and redrives one) or \`admin\`. It may be bound to accounts.

**Errors** are \`application/problem+json\` (RFC 9457). \`code\` is a stable name, \`advice\` says what to do, \`errors\`
names each field that is not valid, and \`type\` is the address of a page about the problem. \`Accept-Language\` chooses
English or Chinese.

**Times** are RFC 3339 in UTC. Fields that are unknown or do not apply are absent. New fields may be added at any time, so
clients must ignore those that they do not know.`;

const TAGS: Readonly<Record<string, string>> = {
  media: 'Media items: add them, find them, get their files.',
  'dead letters': 'Media items that failed for good, and trying them again.',
  erasures: "A person's right: erase what a user has sent.",
  accounts: 'WeChat accounts: their state, and holding them by hand.',
  store: 'The storage, and the hold of all archiving while it refuses.',
  stats: 'Counts, now and over time.',
  events: 'What became of media items, accounts and the store, as a feed.',
  webhooks: 'The same events, sent to an address of yours.',
  health: 'Checks, alerts, metrics, processes and settings.',
  verifications: 'Comparing the catalogue with the bucket.',
  'audit log': 'Who did what to what, and why.',
  login: 'Signing a browser in.',
  callbacks: 'What WeChat calls.',
};

type Json = Record<string, unknown>;
type Operation = Json & { responses: Record<string, Json>; requestBody?: Json; parameters?: Json[] };

/** Carries what the route says to the step that has the whole document. */
const CARRIED = 'x-route';
interface Carried {
  readonly route: DocumentedRoute;
  readonly examples: RouteExamples;
  readonly isBodyOptional: boolean;
  readonly contentTypes: NonNullable<FastifySchema['contentTypes']>;
  readonly documentOnly: NonNullable<FastifySchema['documentOnly']>;
}

const OTHER_PROBLEM = {
  description: 'A problem that a later version may add. It has the same form.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

const transformSchema = createJsonSchemaTransform({ skipList: [] });

/** `webhooks`: the webhooks section. Must be called before the routes are registered. */
export async function registerOpenApi(app: App, webhooks: Record<string, object>): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'wechat-media-archiver',
        version: '1',
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' } as { name: string },
      },
      servers: [
        { url: '/', description: 'The server from which this document was read' },
        { url: 'http://127.0.0.1:8080', description: 'npm start on this machine' },
      ],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      webhooks,
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A secret of API_KEYS.' },
        },
      },
    },
    transform: (document) => {
      const { examples = {}, problems = [], contentTypes = {}, documentOnly = {}, ...rest } = document.schema;
      const { schema, url } = transformSchema({ ...document, schema: rest });
      if (schema.hide) return { schema, url };
      const { scope = 'admin', accountScoped } = document.route.config ?? {};
      const method = String(document.route.method);
      const carried: Carried = {
        route: { method, url, scope, problems },
        examples,
        isBodyOptional: rest.body !== undefined && parseInput(rest.body as z.ZodType, undefined).success,
        contentTypes,
        documentOnly,
      };
      return {
        url,
        schema: {
          ...schema,
          description: [rest.description, rightsSentence(scope, accountScoped)].filter(Boolean).join(' '),
          security: scope === 'open' ? [] : [{ bearer: [] }],
          response: schema.response ?? { 200: { type: 'string', description: 'Done' } },
          [CARRIED]: carried,
        },
      };
    },
    transformObject: (document) => completed(jsonSchemaTransformObject(document) as Json),
  });
}

function rightsSentence(scope: string, isAccountScoped: boolean | undefined): string {
  if (scope === 'open') return 'Open.';
  const accounts = isAccountScoped
    ? 'a key that is bound to accounts gets only the data of these accounts'
    : 'requires a key for all accounts';
  return `Scope: ${scope}; ${accounts}.`;
}

/** Adds error responses and examples to each operation, and names each schema once. */
function completed(document: Json): Json {
  const { paths, webhooks } = document as {
    paths: Record<string, Record<string, Operation>>;
    webhooks?: Json;
  };
  const problemResponses = createProblemResponses();
  for (const operation of Object.values(paths).flatMap(Object.values)) complete(operation, problemResponses);
  const { schemas, ...components } = document.components as { schemas: Record<string, Json> };
  visitObjects([paths, webhooks, schemas], simplifySchema);
  openResponses(paths, schemas);
  const { responses: all, examples } = problemResponses.components();
  const responses = { ...all, OtherProblem: OTHER_PROBLEM };
  const used = usedSchemas(schemas, { paths, webhooks, responses });
  const { openapi, info, servers, tags } = document;
  return {
    openapi,
    info,
    servers,
    tags,
    paths,
    webhooks,
    components: { ...components, schemas: used, responses, examples },
  };
}

/** What the statuses mean where the schema of the response does not say it. */
const MEANINGS: Readonly<Record<string, string>> = {
  200: 'Done',
  201: 'Created',
  202: 'Accepted: it is not finished yet',
};

/** A response may get new fields, so no schema of a response refuses fields that it does not know. */
function openResponses(
  paths: Record<string, Record<string, Operation>>,
  schemas: Record<string, Json>,
): void {
  const responses = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map((operation) => operation.responses),
  );
  const named = Object.entries(schemas).filter(([name]) => !name.endsWith('Input'));
  visitObjects([responses, named], (schema) => {
    if (schema.additionalProperties === false) delete schema.additionalProperties;
  });
}

function complete(operation: Operation, problemResponses: ReturnType<typeof createProblemResponses>): void {
  const { route, examples, isBodyOptional, contentTypes, documentOnly } = operation[CARRIED] as Carried;
  delete operation[CARRIED];
  if (documentOnly.parameters) operation.parameters = documentOnly.parameters as Json[];
  if (documentOnly.requestBody) operation.requestBody = documentOnly.requestBody as Json;
  if (operation.requestBody && isBodyOptional) operation.requestBody.required = false;
  addExample(operation.requestBody, examples.body);
  for (const parameter of operation.parameters ?? []) {
    const values = parameter.in === 'path' ? examples.params : examples.querystring;
    const value = values?.[String(parameter.name)];
    if (value !== undefined) parameter.example = value;
  }
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response.description === 'Default Response') response.description = MEANINGS[status] ?? 'Done';
    addContentTypes(response, contentTypes[Number(status)] ?? []);
    addExample(response, examples.response?.[Number(status)]);
  }
  operation.responses = {
    ...operation.responses,
    ...problemResponses.responsesOf(route),
    default: { $ref: '#/components/responses/OtherProblem' },
  };
}

function addExample(part: Json | undefined, example: unknown): void {
  const content = part?.content as Record<string, Json> | undefined;
  const media = content?.['application/json'] ?? content?.['text/plain'];
  // As JSON has it: what is undefined is absent.
  if (media && example !== undefined) media.example = JSON.parse(JSON.stringify(example));
}

/** Content that is not JSON stands beside an object in JSON, and takes the place of all else. */
function addContentTypes(response: Json, types: readonly string[]): void {
  if (types.length === 0) return;
  const { 'application/json': json, ...others } = (response.content ?? {}) as Record<string, Json>;
  const { type, $ref } = (json?.schema ?? {}) as Json;
  const isObject = type === 'object' || $ref !== undefined;
  response.content = {
    ...others,
    ...(isObject && json ? { 'application/json': json } : {}),
    ...Object.fromEntries(types.map((type) => [type, { schema: schemaOfContent(type) }])),
  };
}

const schemaOfContent = (type: string): Json =>
  type.startsWith('text/') ? { type: 'string' } : { type: 'string', format: 'binary' };
