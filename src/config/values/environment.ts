/** Reads the environment into typed values according to the table in schema.ts, and collects all mistakes. */
import { parseEnv } from 'node:util';
import { createRedactor } from '../../runtime/redaction.ts';
import { parseDatabaseUrl } from '../database-address.ts';
import { VARIABLES, type Values, type Variable, type VariableName } from '../schema.ts';
import { abbreviatedVariable, intendedVariable } from './misspelling.ts';
import { secretIn } from './secret-file.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type ReadFile = (path: string) => string;

export interface Mistake {
  readonly variable: string;
  /** Continues a sentence that begins with the variable's name. Contains no secret. */
  readonly problem: string;
  readonly example?: string;
}

/** Reports a mistake; the variable's example is added. */
export type ReportMistake = (variable: VariableName, problem: string) => void;

export interface ReadEnvironment {
  /** Undefined for a variable with a mistake. */
  readonly values: { readonly [N in VariableName]?: Values[N] };
  /** Whether the variable is set, also if its value is invalid: one mistake must not cause a second one. */
  isSet(name: VariableName): boolean;
  /** The text of the variable, or of its default. May be a secret. */
  textOf(name: VariableName): string | undefined;
  readonly mistakes: Mistake[];
  /** Removes every secret that was read from a text. */
  redact(text: string): string;
}

const TABLE: Readonly<Record<string, Variable>> = VARIABLES;
const NAMES = Object.keys(TABLE) as VariableName[];
const OURS = NAMES.filter((name) => !TABLE[name]!.foreign);
const FILE_NAMES = OURS.filter((name) => TABLE[name]!.secret).map((name) => `${name}_FILE`);
const KNOWN = new Set<string>([...NAMES, ...FILE_NAMES]);
export const isVariable = (name: string): boolean => KNOWN.has(name);
// Only shortened names of these variables count as mistakes. Other programs have their own REDIS_… and DATABASE_…
// variables.
const ABBREVIABLE = OURS.filter((name) => /^(WECHAT|S3|FETCH)_/.test(name));

/**
 * Returns `.env` overridden by the environment. If the environment sets NAME or NAME_FILE of a secret, `.env` sets
 * neither of them.
 */
export function withDotEnv(env: Environment, path: string, readFile: ReadFile): Environment {
  let file: NodeJS.Dict<string>;
  try {
    file = parseEnv(readFile(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return env;
    throw error;
  }
  const merged: Record<string, string | undefined> = { ...env };
  for (const [name, value] of Object.entries(file)) {
    const twin = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : `${name}_FILE`;
    if (env[name] === undefined && env[twin] === undefined) merged[name] = value;
  }
  return merged;
}

export function readEnvironment(env: Environment, readFile: ReadFile): ReadEnvironment {
  const mistakes: Mistake[] = [];
  const values: Record<string, unknown> = {};
  const setNames = new Set<string>();
  for (const { name, meant } of misspelt(env)) {
    const example = TABLE[meant]?.example ?? '/run/secrets/the-file';
    const problem = `is not a variable of this program; did you mean ${meant}?`;
    mistakes.push({ variable: name, problem, example: `${meant}=${example}` });
    setNames.add(meant.replace(/(?<!ACCOUNTS)_FILE$/, ''));
  }
  const reportOf = (name: VariableName) => (problem: string) => {
    mistakes.push({ variable: name, problem, example: `${name}=${TABLE[name]!.example}` });
  };

  const texts = new Map<VariableName, string>();
  const secrets: string[] = [];
  for (const name of NAMES) {
    const variable = TABLE[name]!;
    const text = textOf(name, variable, env, readFile, reportOf(name));
    if (text !== undefined) setNames.add(name);
    const written = text ?? variable.default;
    if (!written) continue;
    texts.set(name, written);
    if (variable.secret) secrets.push(written, ...passwordsOf(written), ...pieces(written));
  }

  // All secrets are collected before a value is displayed, because a secret may be set in the wrong variable.
  const redact = createRedactor(secrets);
  for (const [name, text] of texts) {
    const variable = TABLE[name]!;
    const parsed = variable.kind.parse(text);
    if ('value' in parsed) values[name] = parsed.value;
    else if (variable.secret) reportOf(name)(parsed.wrong);
    else reportOf(name)(`${parsed.wrong}, not ${JSON.stringify(redact(text).slice(0, 80))}`);
  }

  return {
    values: values as ReadEnvironment['values'],
    isSet: (name) => setNames.has(name),
    textOf: (name) => texts.get(name),
    mistakes,
    redact,
  };
}

/** Returns the secrets inside API_KEYS and similar variables. */
const pieces = (secret: string) => secret.split(/[,:@]/).filter((piece) => piece.length > 11);

/**
 * Returns undefined if the variable is unset, and '' if it is off or after a reported mistake. Compose files set unset
 * variables to ''.
 */
function textOf(
  name: string,
  variable: Variable,
  env: Environment,
  readFile: ReadFile,
  report: (problem: string) => void,
): string | undefined {
  const text = env[name]?.trim() || (variable.emptyIsOff ? env[name]?.trim() : undefined);
  const path = variable.secret && !variable.foreign ? env[`${name}_FILE`]?.trim() : undefined;
  if (!path) return text;
  if (text !== undefined) {
    report(`is set, and ${name}_FILE too: keep one`);
    return '';
  }
  try {
    const read = secretIn(readFile(path));
    if ('secret' in read) return read.secret;
    report(`cannot be read from ${name}_FILE: ${path} ${read.wrong}`);
    return '';
  } catch (error) {
    report(`cannot be read from ${name}_FILE: ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    return '';
  }
}

/** Returns the passwords in a URL, encoded and decoded. */
export function passwordsOf(text: string): string[] {
  const url = parseDatabaseUrl(text);
  if (!url) return [];
  let decoded = '';
  try {
    decoded = decodeURIComponent(url.password);
  } catch {
    // A single % is part of the password.
  }
  return [url.password, decoded, url.searchParams.get('password') ?? ''].filter(
    (password) => password !== '',
  );
}

function misspelt(env: Environment): { name: string; meant: string }[] {
  const unset = ABBREVIABLE.filter((known) => !env[known] && !env[`${known}_FILE`]);
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && !KNOWN.has(name))
    .flatMap((name) => {
      const meant = intendedVariable(name, [...OURS, ...FILE_NAMES]) ?? abbreviatedVariable(name, unset);
      return meant ? [{ name, meant }] : [];
    });
}
