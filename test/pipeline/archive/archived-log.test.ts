import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArchivedLog } from '../../../src/pipeline/archive/archived-log.ts';

const item = (n: number) => ({ id: `m_${n}`, key: `k/${n}`, bytes: 10 * n });

test('archived items have a line each at level debug, and together one at level info', async () => {
  const debug: unknown[] = [];
  const info: unknown[] = [];
  const archived = createArchivedLog({
    debug: (fields: unknown) => void debug.push(fields),
    info: (fields: unknown) => void info.push(fields),
  } as never);
  archived.add(item(1));
  archived.add(item(2));
  assert.deepEqual(debug, [item(1), item(2)]);
  assert.deepEqual(info, []);
  archived.close();
  assert.deepEqual(info, [{ count: 2, bytes: 30 }]);
  archived.close();
  assert.equal(info.length, 1, 'nothing is written where nothing was archived');
});

test('the line is written at the end of its interval, and counts begin again', async () => {
  const { promise: written, resolve } = Promise.withResolvers<unknown>();
  const archived = createArchivedLog({ debug: () => undefined, info: resolve } as never, { everyMs: 1 });
  // The timer of the log alone would not keep the process alive.
  const keepAlive = setTimeout(() => undefined, 60_000);
  archived.add(item(3));
  assert.deepEqual(await written, { count: 1, bytes: 30 });
  clearTimeout(keepAlive);
});
