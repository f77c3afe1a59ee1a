/** Determines the server and the key that the command line uses. */
import { join } from 'node:path';
import type { Language } from '../explanation.ts';
import { parseApiKeys } from './api-keys.ts';
import { type Environment, type ReadFile, withDotEnv } from './values/environment.ts';

export interface ClientSettings {
  /** Without a trailing slash. */
  readonly url: string;
  readonly key: string | undefined;
  /** The path of the generated key file, for the message that no key was found. */
  readonly keyFile: string;
  readonly language: Language;
}

const DEFAULT_PORT = '8080';

/**
 * Returns WMA_URL and WMA_API_KEY. If they are not set, uses the settings of the server on this machine: PORT, and the
 * key of API_KEYS with the most rights, or the key file that the server generated.
 */
export function clientSettings(environment: Environment, readFile: ReadFile): ClientSettings {
  const env = withDotEnv(environment, '.env', readFile);
  const text = (name: string) => env[name]?.trim() || undefined;
  const read = (path: string | undefined): string | undefined => {
    try {
      return path && readFile(path).trim();
    } catch {
      return undefined;
    }
  };
  const secret = (name: string) => text(name) ?? read(text(`${name}_FILE`));
  const keyFile = join(text('DATA_DIR') ?? './data', 'api-key');
  const url = text('WMA_URL') ?? `http://127.0.0.1:${text('PORT') ?? DEFAULT_PORT}`;
  return {
    url: url.replace(/\/+$/, ''),
    key: secret('WMA_API_KEY') ?? mostPowerful(secret('API_KEYS')) ?? read(keyFile),
    keyFile,
    language: languageOfLocale(env),
  };
}

/** Returns the language of the locale, as POSIX determines it: LC_ALL, then LC_MESSAGES, then LANG. Default: English. */
export function languageOfLocale(env: Environment): Language {
  const locale = [env.LC_ALL, env.LC_MESSAGES, env.LANG].map((value) => value?.trim()).find(Boolean) ?? '';
  return /^zh/i.test(locale) ? 'zh' : 'en';
}

function mostPowerful(keys: string | undefined): string | undefined {
  const parsed = keys === undefined ? undefined : parseApiKeys(keys);
  if (!parsed || !('value' in parsed)) return undefined;
  const rank = (key: (typeof parsed.value)[number]) => key.scopes.length - (key.accounts ? 0.5 : 0);
  return parsed.value.toSorted((a, b) => rank(b) - rank(a))[0]?.secret;
}
