/** Opens an embedded database for a test, in a folder that is removed at the end. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type EmbeddedDatabaseOptions,
  openEmbeddedDatabase,
} from '../../../src/embedded/database/database.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';

export const log = createLog({ level: 'silent', program: 'test', secrets: [] });
export const metrics = createMetrics();

interface Folder extends AsyncDisposable {
  path: string;
}

/** Creates an empty temporary folder. */
export async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'wma-embedded-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const ROOT = new URL('../../../', import.meta.url);
let template: Promise<string> | undefined;

/**
 * Returns a folder with a new database, to be copied and never written to. Creating one takes 3 s, on a busy machine 10,
 * so it is created once for all test processes and runs, and again for another release of PGlite or another setup.
 */
export function databaseTemplate(): Promise<string> {
  template ??= (async () => {
    const sources = ['node_modules/@electric-sql/pglite/package.json', 'src/embedded/database/database.ts'];
    const hash = createHash('sha256');
    for (const source of sources) hash.update(await readFile(new URL(source, ROOT)));
    const cache = fileURLToPath(new URL('node_modules/.cache/wma/', ROOT));
    const path = join(cache, `database-${hash.digest('hex').slice(0, 16)}`);
    if (existsSync(path)) return path;
    await mkdir(cache, { recursive: true });
    const aside = await mkdtemp(join(cache, 'new-'));
    const database = await openEmbeddedDatabase({ folder: aside, log, metrics, fsync: false });
    await database.close();
    // Of two that are created at once the first one stays: a rename onto a folder that is not empty fails.
    await rename(aside, path).catch(() => rm(aside, { recursive: true, force: true }));
    return path;
  })();
  return template;
}

/** Creates a folder with a new database, by copying the template in 0.1 s. */
export async function makeDatabaseFolder(): Promise<Folder> {
  const folder = await makeFolder();
  await cp(await databaseTemplate(), folder.path, { recursive: true });
  return folder;
}

export async function openForTest(options: Partial<EmbeddedDatabaseOptions> = {}) {
  const folder = await makeDatabaseFolder();
  const database = await openEmbeddedDatabase({
    folder: folder.path,
    log,
    metrics,
    fsync: false,
    ...options,
  });
  return {
    folder: folder.path,
    pool: database.pool,
    close: async () => {
      await database.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
