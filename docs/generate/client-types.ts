/**
 * Writes the types of the client (src/producer/client/api-types.ts) from the schemas of the server's routes. They are
 * plain interfaces, so that a program which installs the package needs neither zod nor the server's types.
 */
import { z } from 'zod';
import { EVENT_TYPES } from '../../src/event.ts';
import { KINDS, referenceSchema, SOURCES, STATUSES, WAITING_REASONS } from '../../src/media.ts';
import { eventSchema } from '../../src/server/routes/events/event-schema.ts';
import { linkSchema } from '../../src/server/routes/media/links.ts';
import { listQuery } from '../../src/server/routes/media/list-query.ts';
import { acceptedMediaSchema } from '../../src/server/routes/media/media.ts';
import { mediaPageSchema, mediaSchema } from '../../src/server/routes/media/media-schema.ts';
import { problemSchema } from '../../src/server/routes/problem-schema.ts';

/** The part of JSON Schema that our schemas use. */
interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
}

const ENUMS: readonly [name: string, values: readonly string[]][] = [
  ['Kind', KINDS],
  ['Status', STATUSES],
  ['WaitingReason', WAITING_REASONS],
  ['Source', SOURCES],
  ['EventType', EVENT_TYPES],
];

/** The interfaces, in the order of the file. Those with an id in their schema (Media, Failure) are found by it. */
const RESPONSES: readonly [name: string, schema: z.ZodType, description: string][] = [
  ['Media', mediaSchema, 'A media item and its object. Absent fields are unknown or do not apply.'],
  ['MediaPage', mediaPageSchema, 'One page of a list.'],
  ['Link', linkSchema, 'A link that opens without a key.'],
  ['Event', eventSchema, ''],
  ['Problem', problemSchema, 'Why a request was refused.'],
];

const LINE = 110;
const DEFINITIONS = '#/$defs/';

/** Returns the JSON Schema. One that has an id is a reference to its own definition; here it is the definition itself. */
function toSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const root = z.toJSONSchema(schema, { unrepresentable: 'any', io }) as JsonSchema;
  const own = root.$ref && root.$defs?.[root.$ref.slice(DEFINITIONS.length)];
  return own ? { ...own, $defs: root.$defs ?? {} } : root;
}

const literal = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value));
const docOf = (text: string | undefined, indent: string) =>
  text ? `${indent}/** ${sentence(text)} */\n` : '';
/** A text that begins with a name or value of the API (`exclude: …`) keeps its small letter. */
const sentence = (text: string) =>
  `${/^(\w+:|[a-z]+[A-Z])/.test(text) ? text : text.slice(0, 1).toUpperCase() + text.slice(1)}.`.replace(
    /\.\.$/,
    '.',
  );

/** Returns the type of a schema. Objects inside it are written with `indent`. */
function typeOf(schema: JsonSchema, indent: string): string {
  if (schema.$ref) return schema.$ref.slice(DEFINITIONS.length);
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum) {
    const known = ENUMS.find(([, values]) => JSON.stringify(values) === JSON.stringify(schema.enum));
    return known ? known[0] : schema.enum.map(literal).join(' | ');
  }
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, indent)).join(' | ');
  if (schema.type === 'array') {
    const item = typeOf(schema.items ?? {}, indent);
    return `readonly ${/ \| /.test(item) && !item.startsWith('{') ? `(${item})` : item}[]`;
  }
  if (schema.type === 'object') {
    if (schema.properties) return `{\n${fieldsOf(schema, `${indent}  `)}${indent}}`;
    const { additionalProperties: values } = schema;
    return `Readonly<Record<string, ${typeof values === 'object' ? typeOf(values, indent) : 'unknown'}>>`;
  }
  const types = [schema.type ?? 'unknown'].flat();
  return types.map((type) => (type === 'integer' ? 'number' : type)).join(' | ');
}

/** Returns the fields of an object, one a line. `toType` may change the type of a field. */
function fieldsOf(schema: JsonSchema, indent: string, toType = typeOf): string {
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const isRequired = schema.required?.includes(name);
    const start = `${indent}readonly ${name}${isRequired ? '' : '?'}:`;
    return `${docOf(field.description, indent)}${start}${onOneOrMoreLines(toType(field, indent), start, indent)};\n`;
  });
  return fields.join('');
}

/** A union that is too long for the line has one member on each. */
function onOneOrMoreLines(type: string, start: string, indent: string): string {
  if (type.includes('\n') || start.length + type.length + 2 <= LINE) return ` ${type}`;
  return type
    .split(' | ')
    .map((member) => `\n${indent}  | ${member}`)
    .join('');
}

const interfaceOf = (name: string, description: string, fields: string) =>
  `${docOf(description, '')}export interface ${name} {\n${fields}}\n`;

/** Returns the interface of a response and of the named schemas that it contains. */
function responseTypes([name, schema, description]: (typeof RESPONSES)[number], known: Set<string>): string {
  const root = toSchema(schema, 'output');
  // A union has no interface: the client names its members.
  const defined = Object.entries(root.$defs ?? {}).filter(([id, one]) => !known.has(id) && one.properties);
  for (const [id] of defined) known.add(id);
  const texts = defined.map(([id, one]) =>
    interfaceOf(id, id === name ? description : (one.description ?? ''), fieldsOf(one, '  ')),
  );
  if (!known.has(name)) {
    known.add(name);
    if (root.properties) texts.push(interfaceOf(name, description, fieldsOf(root, '  ')));
  }
  return texts.join('\n');
}

/** A parameter that may be repeated is one value or an array; a time may be a Date. */
function parameterType(schema: JsonSchema, indent: string): string {
  if (schema.type === 'array') {
    const item = typeOf(schema.items ?? {}, indent);
    return `${item} | readonly ${/ \| /.test(item) ? `(${item})` : item}[]`;
  }
  return schema.type === undefined && !schema.enum ? 'string | Date' : typeOf(schema, indent);
}

/** The reference as a program passes it: `sentAt` may be a Date. */
function referenceFields(): string {
  const schema = toSchema(referenceSchema, 'input');
  return fieldsOf(schema, '  ', (field, indent) => {
    const type = field === schema.properties?.sentAt ? 'string | Date' : typeOf(field, indent);
    const name = Object.entries(schema.properties ?? {}).find(([, one]) => one === field)?.[0] ?? '';
    return schema.required?.includes(name) ? type : `${type} | undefined`;
  });
}

/** The filters of a list. `limit`, `cursor` and `sort` are among them, and labels are an object. */
function filterFields(): string {
  const query = toSchema(listQuery as z.ZodType, 'output');
  const { required: _, ...optional } = query;
  const labels = 'readonly labels?: Readonly<Record<string, string>> | undefined;';
  const type = (field: JsonSchema, indent: string) => `${parameterType(field, indent)} | undefined`;
  return `${fieldsOf(optional, '  ', type)}  /** Items that have all of these labels. */\n  ${labels}\n`;
}

/** What is known of an accepted item while its row cannot be read: the second form of a response. */
function spooledFields(): string {
  const [, spooled] = toSchema(acceptedMediaSchema, 'output').anyOf ?? [];
  return fieldsOf(spooled ?? {}, '  ');
}

/** Returns the text of src/producer/client/api-types.ts. */
export function clientTypes(): string {
  const known = new Set<string>();
  const enums = ENUMS.map(
    ([name, values]) =>
      `export type ${name} =${onOneOrMoreLines(values.map(literal).join(' | '), `type ${name} =`, '')};\n`,
  );
  const parts = [
    '/** The types of the API, written by docs/generate/main.ts from the schemas of the server. Times are RFC 3339, UTC. */\n',
    enums.join(''),
    interfaceOf('Reference', 'What is known of a media item before it is archived', referenceFields()),
    interfaceOf('MediaFilter', 'Which media items a list contains, and how', filterFields()),
    ...RESPONSES.map((response) => responseTypes(response, known)).filter(Boolean),
    interfaceOf(
      'SpooledMedia',
      'An item that was accepted while the catalogue is unavailable',
      spooledFields(),
    ),
  ];
  return parts.join('\n');
}
