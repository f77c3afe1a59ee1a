/** Opens the store: the configured bucket, or the embedded server, whose keys are in DATA_DIR. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { openEmbeddedS3 } from '../embedded/s3/server.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { secureContextOf } from '../runtime/network/tls-context.ts';
import type { Shutdown } from '../runtime/shutdown.ts';
import type { Tracer } from '../runtime/tracing/tracer.ts';
import { createStore, type Store } from '../storage/store.ts';
import { StartError } from './run.ts';

const EMBEDDED_BUCKET = 'wechat-media';
const EMBEDDED_REGION = 'us-east-1';

const keysSchema = z.object({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  /** The port of the last run, so that signed links stay valid after a restart. */
  port: z.int().min(0).max(65_535),
});
type EmbeddedKeys = z.infer<typeof keysSchema>;

export async function openStore(
  config: Config,
  deps: { clock: Clock; log: Log; shutdown: Shutdown; tracer: Tracer },
): Promise<Store> {
  const { clock, log, shutdown, tracer } = deps;
  const { prefix } = config.objects;
  if (config.s3) {
    const { sessionToken, ...settings } = config.s3;
    const store = createStore({
      ...settings,
      ...(sessionToken ? { sessionToken } : {}),
      prefix,
      clock,
      log,
      tracer,
      secureContext: secureContextOf(config.authorities.store),
    });
    shutdown.step('store', () => store.close());
    return store;
  }
  const folder = join(config.dataFolder, 's3');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keysFile = join(config.dataFolder, 's3-keys.json');
  const keys = await loadKeys(keysFile);
  const open = (port: number) =>
    openEmbeddedS3({ folder, bucket: EMBEDDED_BUCKET, region: EMBEDDED_REGION, ...keys, port, clock, log });
  const server = await open(keys.port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    return open(0);
  });
  shutdown.step('embedded S3', () => server.close());
  const port = Number(new URL(server.endpoint).port);
  await saveKeys(keysFile, { ...keys, port });
  const store = createStore({
    bucket: EMBEDDED_BUCKET,
    endpoint: server.endpoint,
    publicEndpoint: server.endpoint,
    region: EMBEDDED_REGION,
    addressing: 'path',
    accessKeyId: keys.accessKeyId,
    secretAccessKey: keys.secretAccessKey,
    prefix,
    clock,
    log,
    tracer,
  });
  shutdown.step('store', () => store.close());
  return store;
}

async function loadKeys(path: string): Promise<EmbeddedKeys> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return {
      accessKeyId: `WMA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(32).toString('base64url'),
      port: 0,
    };
  }
  try {
    return keysSchema.parse(JSON.parse(text));
  } catch {
    throw new StartError(
      `The keys in ${path} are not usable. Delete the file, and new keys are generated; links that were signed with the old keys then stop working.`,
    );
  }
}

/**
 * Writes the keys to another file first, so that the file is complete even if the process is killed during the write.
 */
async function saveKeys(path: string, keys: EmbeddedKeys): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(keys), { mode: 0o600 });
  await rename(`${path}.new`, path);
}
