/** Closing for a bundle that outlives one test: test/machine/services.ts asks for a test's hooks, and gets these. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function createCleanup() {
  let closers: (() => unknown)[] = [];
  const hooks = {
    after: (close: () => unknown) => void closers.push(close),
    skip: (why?: string) => {
      throw new Error(`should have been skipped: ${why}`);
    },
  } as Pick<TestContext, 'after' | 'skip'>;
  return {
    hooks,
    /** Last opened, first closed; what a closer adds comes behind all others. */
    run: async () => {
      while (closers.length > 0) {
        const now = closers.reverse();
        closers = [];
        for (const close of now) await close();
      }
    },
  };
}

export async function folderForTest(hooks: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wma-folder-'));
  hooks.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
