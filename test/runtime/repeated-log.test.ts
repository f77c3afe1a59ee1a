/** Log lines that can repeat without bound: the first is written at once, then one per interval with the count. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createRepeatedLog } from '../../src/runtime/repeated-log.ts';

const EVERY_MS = 200;

function setup() {
  const lines: Record<string, unknown>[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  const log = { info: write('info'), warn: write('warn'), error: write('error') };
  return { lines, repeated: createRepeatedLog(log as never, { everyMs: EVERY_MS }) };
}

describe('a line that repeats', () => {
  it('is written at once, then once per interval with the last fields and their count', async () => {
    const { lines, repeated } = setup();
    for (let n = 0; n < 1_000; n++) repeated.write('warn', 'a', { n }, 'refused');
    repeated.write('error', 'b', {}, 'failed');
    assert.deepEqual(lines, [
      { level: 'warn', message: 'refused', n: 0, count: 1 },
      { level: 'error', message: 'failed', count: 1 },
    ]);
    const until = performance.now() + 10_000;
    while (lines.length < 3 && performance.now() < until) await wait(10);
    assert.deepEqual(lines.slice(2), [{ level: 'warn', message: 'refused', n: 999, count: 999 }]);
    repeated.close();
    assert.equal(lines.length, 3);
  });

  it('is written at the end where some were only counted', () => {
    const { lines, repeated } = setup();
    for (let n = 0; n < 3; n++) repeated.write('warn', 'a', {}, 'refused');
    repeated.close();
    assert.deepEqual(
      lines.map(({ count }) => count),
      [1, 2],
    );
  });

  it('shares one count with others where there are too many kinds', () => {
    const { lines, repeated } = setup();
    for (let n = 0; n < 5_000; n++) repeated.write('warn', `kind ${n}`, {}, 'refused');
    assert.equal(lines.length, 1_000);
    repeated.close();
    assert.equal(lines.at(-1)?.count, 4_000);
  });
});
