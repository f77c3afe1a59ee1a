/**
 * What is wrong with a field of a request, in words of our own and in both languages. Every schema whose issues a client
 * sees goes through {@link fieldErrorsOf}.
 */
import { z } from 'zod';
import type { LocalizedText } from './explanation.ts';
import { type SentenceContext, sentenceOf, unknownFieldSentence } from './field-sentences.ts';

export interface FieldError {
  /** `filter.account.0`; `(body)` for the whole. */
  readonly field: string;
  readonly message: LocalizedText;
}

type Path = readonly PropertyKey[];

/** The options of `refine`: the sentence for a value that is refused. */
export const saying = ({ en, zh }: LocalizedText) => ({ error: en, params: { zh } });

/** Adds an issue in `superRefine` and `transform`. The sentence is a predicate: it follows the name of the field. */
export function refuse(
  context: z.core.$RefinementCtx,
  { en, zh }: LocalizedText,
  path: readonly (string | number)[] = [],
): void {
  context.addIssue({ code: 'custom', path: [...path], message: en, params: { zh } });
}

const PATTERNS = new Map<string, LocalizedText>();

/** A text with a pattern, and the sentence for a text that does not match it. */
export function formatted(pattern: RegExp, text: LocalizedText): z.ZodString {
  PATTERNS.set(String(pattern), text);
  return z.string().regex(pattern);
}

export interface ParsedInput {
  readonly place: SentenceContext['place'];
  /** What was parsed. */
  readonly input: unknown;
  /** Finds the names that would be right. */
  readonly schema?: unknown;
  /** A valid input: its values are the examples in the sentences. */
  readonly example?: unknown;
  /** What the whole is called. Default: `(body)` or `(query)`. */
  readonly whole?: string;
}

/** Longer names of fields are cut: they come from the client. */
const NAME_LENGTH = 80;
/** A body of 1 MiB can have a hundred thousand mistakes, and each sentence is far longer than its mistake. */
const MAX_ERRORS = 100;

/**
 * Returns what is wrong with each field, at most {@link MAX_ERRORS}. `issues` should come from {@link parseInput}, which
 * finds missing fields.
 */
export function fieldErrorsOf(issues: readonly z.core.$ZodIssue[], parsed: ParsedInput): FieldError[] {
  const { place, input, schema, example } = parsed;
  const fieldOf = (path: Path) => {
    const whole = parsed.whole ?? (place === 'body' ? '(body)' : `(${place})`);
    return shownPath(path, input).join('.') || whole;
  };
  const errors = issues.slice(0, MAX_ERRORS).flatMap((issue): FieldError[] => {
    if (issue.code === 'unrecognized_keys') {
      const message = unknownFieldSentence(place, fieldNames(schemaAt(schema, issue.path)));
      return issue.keys
        .slice(0, MAX_ERRORS)
        .map((key) => ({ field: fieldOf([...issue.path, key]), message }));
    }
    const context = {
      place,
      example: valueAt(example, issue.path) ?? exampleOf(schemaAt(schema, issue.path)),
      isWhole: issue.path.length === 0,
      patternText: (pattern: string) => PATTERNS.get(pattern),
    };
    return [{ field: fieldOf(issue.path), message: sentenceOf(issue, context) }];
  });
  return errors.slice(0, MAX_ERRORS);
}

/** Like `schema.safeParse`; the issues also contain the values, from which missing fields are known. */
export const parseInput = <Schema extends z.core.$ZodType>(schema: Schema, input: unknown) =>
  z.safeParse(schema, input, { reportInput: true });

/** The path as the client wrote it: a single value that stands for a list of one has no index. */
function shownPath(path: Path, input: unknown): string[] {
  const shown: string[] = [];
  let value = input;
  for (const key of path) {
    if (typeof key === 'number' && value !== undefined && !Array.isArray(value)) continue;
    shown.push(String(key).slice(0, NAME_LENGTH));
    value = member(value, key);
  }
  return shown;
}

const member = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined;

/** Of a list in the example the first entry stands for all. */
function valueAt(example: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => {
    if (typeof key !== 'number') return member(value, key);
    return Array.isArray(value) ? value[0] : value;
  }, example);
}

/** The example that a schema has itself, by `meta`. */
function exampleOf(schema: unknown): unknown {
  if (!defOf(schema)) return undefined;
  const { examples } = z.globalRegistry.get(schema as z.core.$ZodType) ?? {};
  return Array.isArray(examples) ? examples[0] : undefined;
}

interface SchemaDef {
  readonly type: string;
  readonly innerType?: unknown;
  readonly in?: unknown;
  readonly out?: unknown;
  readonly element?: unknown;
  readonly valueType?: unknown;
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly options?: readonly unknown[];
}

const defOf = (schema: unknown): SchemaDef | undefined =>
  (schema as { _zod?: { def: SchemaDef } } | undefined)?._zod?.def;

/** Removes optional, default, preprocess and the like. */
function unwrapped(schema: unknown): unknown {
  const def = defOf(schema);
  if (def?.innerType) return unwrapped(def.innerType);
  if (def?.type === 'pipe') return unwrapped(defOf(def.in)?.type === 'transform' ? def.out : def.in);
  return schema;
}

function schemaAt(schema: unknown, path: Path): unknown {
  const plain = unwrapped(schema);
  const [key, ...rest] = path;
  if (key === undefined) return plain;
  const def = defOf(plain);
  if (def?.options) return def.options.map((option) => schemaAt(option, path)).find(fieldNames);
  const next = def?.shape ? def.shape[String(key)] : (def?.element ?? def?.valueType);
  return next === undefined ? undefined : schemaAt(next, rest);
}

/** The names of the fields of an object; undefined for another type. */
function fieldNames(schema: unknown): string[] | undefined {
  const shape = defOf(unwrapped(schema))?.shape;
  return shape && Object.keys(shape);
}
