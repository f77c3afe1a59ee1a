/** Makes the schemas of the OpenAPI document what generators of clients expect. */

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Calls `visit` with every object of a document, the outer ones first. */
export function visitObjects(value: unknown, visit: (object: Json) => void): void {
  if (Array.isArray(value)) for (const entry of value) visitObjects(entry, visit);
  if (!isObject(value)) return;
  visit(value);
  for (const entry of Object.values(value)) visitObjects(entry, visit);
}

/**
 * Removes what zod adds to a schema and generators cannot use: the regular expression of a format that has a name, and
 * the limits of JavaScript's integers, for which OpenAPI has the format int64. Without it, generated clients would
 * store sizes and sequences in 32 bits.
 */
export function simplifySchema(schema: Json): void {
  if (schema.type === 'string' && /^(?:date|date-time)$/.test(String(schema.format))) delete schema.pattern;
  if (schema.type !== 'integer') return;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.maximum === undefined) schema.format = 'int64';
}

const PREFIX = '#/components/schemas/';

function namesIn(value: unknown): Set<string> {
  const names = new Set<string>();
  visitObjects(value, ({ $ref, mapping }) => {
    const targets = [$ref, ...(isObject(mapping) ? Object.values(mapping) : [])];
    for (const target of targets)
      if (typeof target === 'string' && target.startsWith(PREFIX)) names.add(target.slice(PREFIX.length));
  });
  return names;
}

/**
 * Returns the named schemas to which a document refers, directly or through others. zod makes two of each, for input
 * and for output; where only the one for input is used, it gets the plain name, also in the references.
 */
export function usedSchemas(all: Readonly<Record<string, Json>>, document: Json): Record<string, Json> {
  const used = new Set<string>();
  const add = (names: Iterable<string>) => {
    for (const name of names) {
      if (used.has(name)) continue;
      used.add(name);
      add(namesIn(all[name]));
    }
  };
  add(namesIn(document));
  const plain = (name: string) => {
    const short = name.replace(/Input$/, '');
    return short !== name && !used.has(short) && short in all ? short : name;
  };
  const kept = Object.fromEntries([...used].sort().map((name) => [plain(name), all[name] as Json]));
  visitObjects([document, kept], (object) => {
    if (typeof object.$ref === 'string' && object.$ref.startsWith(PREFIX))
      object.$ref = PREFIX + plain(object.$ref.slice(PREFIX.length));
  });
  return kept;
}
