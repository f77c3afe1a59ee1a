/** The key of a server that was given none: made once, kept in DATA_DIR, readable by its owner alone. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '../../app/run.ts';
import type { ApiKey } from '../../config/api-keys.ts';
import type { Config } from '../../config/config.ts';

export interface Keys {
  readonly keys: readonly ApiKey[];
  /** Where the made key is kept; absent where API_KEYS is set. */
  readonly file?: string;
}

const SECRET = /^[\x21-\x7e]{16,512}$/;

/** API_KEYS as configured; without them one admin key from `DATA_DIR/api-key`, which is made if missing. */
export async function loadKeys(config: Pick<Config, 'apiKeys' | 'dataFolder'>): Promise<Keys> {
  if (config.apiKeys.length > 0) return { keys: config.apiKeys };
  const file = join(config.dataFolder, 'api-key');
  const secret = (await readIfThere(file)) ?? (await make(file));
  if (!SECRET.test(secret)) {
    throw new StartError(`The key in ${file} is not usable. Remove the file to have a new one made.`);
  }
  return { keys: [{ name: 'api-key', scopes: ['read', 'write', 'admin'], secret }], file };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Written aside and linked into place: of two that start at once, both end with the same whole key. */
async function make(file: string): Promise<string> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 });
  const aside = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(aside, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    await link(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
  return (await readFile(file, 'utf8')).trim();
}
