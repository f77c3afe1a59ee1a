/** Parses API_KEYS: the keys, their scopes and their accounts. */
import type { Parsed } from './values/kinds.ts';

export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface ApiKey {
  /** The configured name, or `key-1`, `key-2`, … by position. Used in the log and the audit log. */
  readonly name: string;
  /** All scopes of the key: admin includes all three, write includes read. */
  readonly scopes: readonly Scope[];
  /** The accounts that the key may use; absent: all. */
  readonly accounts?: readonly string[];
  readonly secret: string;
}

const MIN_SECRET_LENGTH = 16;
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * Parses `scope:secret` or `name:scope[+scope][@account+account]:secret`, separated by commas. Messages about mistakes
 * never contain the text, which is secret.
 */
export function parseApiKeys(text: string): Parsed<readonly ApiKey[]> {
  const keys: ApiKey[] = [];
  const wrong: string[] = [];
  text.split(',').forEach((entry, index) => {
    const parsed = parseEntry(entry.trim(), index + 1);
    if (typeof parsed === 'string') wrong.push(`entry ${index + 1}: ${parsed}`);
    else keys.push(parsed);
  });
  const repeated = (field: 'name' | 'secret') => new Set(keys.map((key) => key[field])).size < keys.length;
  if (repeated('name')) wrong.push('two entries have the same name');
  if (repeated('secret')) wrong.push('two entries have the same secret');
  return wrong.length > 0 ? { wrong: wrong.join('; ') } : { value: keys };
}

function parseEntry(entry: string, place: number): ApiKey | string {
  const parts = entry.split(':');
  if (parts.length !== 2 && parts.length !== 3) {
    return 'must be scope:secret or name:scope:secret (a secret contains neither colon nor comma)';
  }
  const [name, grant, secret] = parts.length === 3 ? parts : [`key-${place}`, ...parts];
  if (!NAME.test(name!)) return 'the name must be 1 to 64 letters, digits, dots, _ or -';
  const [scopeWords, accountWords, ...more] = grant!.split('@');
  const scopes = scopeWords!.split('+');
  if (more.length > 0 || !scopes.every((scope) => SCOPES.includes(scope as Scope))) {
    return 'the scope must be read, write or admin';
  }
  const accounts = accountWords?.split('+');
  if (accounts?.includes('')) return 'an account after @ is empty';
  // Other characters are not allowed in an Authorization header.
  if (!/^[\x21-\x7e]*$/.test(secret!)) return 'the secret must be printable ASCII without spaces';
  if (secret!.length < MIN_SECRET_LENGTH)
    return `the secret must have at least ${MIN_SECRET_LENGTH} characters`;
  const highest = Math.max(...scopes.map((scope) => SCOPES.indexOf(scope as Scope)));
  return {
    name: name!,
    scopes: SCOPES.slice(0, highest + 1),
    ...(accounts ? { accounts } : {}),
    secret: secret!,
  };
}
