/** The embedded database for a test: a folder of its own, closed and removed at the end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedDatabaseOptions, openEmbeddedDatabase } from '../../src/embedded/database.ts';
import { createLog } from '../../src/log.ts';

export const log = createLog({ level: 'silent', program: 'test', secrets: [] });

export async function makeFolder(): Promise<{ path: string; [Symbol.asyncDispose](): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'wma-embedded-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export async function openForTest(options: Partial<EmbeddedDatabaseOptions> = {}) {
  const folder = await makeFolder();
  const database = await openEmbeddedDatabase({ folder: folder.path, log, fsync: false, ...options });
  return {
    folder: folder.path,
    pool: database.pool,
    close: async () => {
      await database.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
