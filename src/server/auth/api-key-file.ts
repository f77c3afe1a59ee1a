/**
 * The API key of a server without API_KEYS. It is generated once and stored in DATA_DIR, readable only by its owner.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '../../app/run.ts';
import type { ApiKey } from '../../config/api-keys.ts';
import type { Config } from '../../config/config.ts';

export interface Keys {
  readonly keys: readonly ApiKey[];
  /** The file of the generated key; absent where API_KEYS is set. */
  readonly file?: string;
}

const SECRET = /^[\x21-\x7e]{16,512}$/;

/** Loads API_KEYS as configured; without them one admin key from `DATA_DIR/api-key`, which is generated if missing. */
export async function loadKeys(config: Pick<Config, 'apiKeys' | 'dataFolder'>): Promise<Keys> {
  if (config.apiKeys.length > 0) return { keys: config.apiKeys };
  const file = join(config.dataFolder, 'api-key');
  const secret = (await readIfExists(file)) ?? (await createKeyFile(file));
  if (!SECRET.test(secret)) {
    throw new StartError(`The key in ${file} is not usable. Remove the file, and a new one is generated.`);
  }
  return { keys: [{ name: 'api-key', scopes: ['read', 'write', 'admin'], secret }], file };
}

async function readIfExists(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes a temporary file and links it into place, so that two processes that start at the same time use the same key.
 */
async function createKeyFile(file: string): Promise<string> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 });
  const temporaryFile = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporaryFile, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    await link(temporaryFile, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(temporaryFile, { force: true });
  }
  return (await readFile(file, 'utf8')).trim();
}
