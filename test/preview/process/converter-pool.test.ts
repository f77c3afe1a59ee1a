/** The pool: how many conversions run and wait, and how long processes live. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { CONVERTER_LIMITS } from '../../../src/preview/limits.ts';
import {
  type ConverterPoolOptions,
  createConverterPool,
} from '../../../src/preview/process/converter-pool.ts';
import type { ConverterProcess } from '../../../src/preview/process/converter-process.ts';
import { PreviewUnavailableError } from '../../../src/preview/reasons.ts';
import { amrOf, frameOf, repeat } from '../samples.ts';
import { converterPids, hasProc, untilGone } from './children.ts';

const VOICE = amrOf(repeat(frameOf(7, 32), 100));
const REQUEST = { format: 'voice', sha256: hash('sha256', VOICE) } as const;
const NEVER = new AbortController().signal;

function open(t: TestContext, options: Partial<ConverterPoolOptions> = {}) {
  const pool = createConverterPool({
    ...{ limits: CONVERTER_LIMITS, running: 2, waiting: 3, waitMs: 60_000, idleMs: 60_000 },
    ...options,
  });
  t.after(() => pool.close());
  return pool;
}
const convert = (converter: () => ConverterProcess) => converter().convert(REQUEST, [VOICE]);
const isBusy = (error: unknown) => error instanceof PreviewUnavailableError && error.why === 'busy';

describe('the pool of converters', () => {
  test('uses one process for conversions one after the other', { skip: hasProc }, async (t) => {
    const pool = open(t);
    await pool.run(convert, NEVER);
    const [pid, ...more] = converterPids();
    assert.equal(more.length, 0);
    await pool.run(convert, NEVER);
    assert.deepEqual(converterPids(), [pid]);
  });

  test('runs two at once, lets three wait in their order, and refuses the next', async (t) => {
    const pool = open(t);
    const begun: number[] = [];
    const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
    const runs = gates.map((gate, index) =>
      pool.run(async () => {
        begun.push(index);
        await gate.promise;
      }, NEVER),
    );
    await assert.rejects(
      pool.run(async () => undefined, NEVER),
      isBusy,
    );
    assert.deepEqual(begun, [0, 1]);
    for (const [index, gate] of gates.entries()) {
      gate.resolve();
      await runs[index];
    }
    assert.deepEqual(begun, [0, 1, 2, 3, 4]);
    await pool.run(async () => undefined, NEVER);
  });

  test('gives up the place of a caller that has gone', async (t) => {
    const pool = open(t, { running: 1, waiting: 1 });
    const gate = Promise.withResolvers<void>();
    const first = pool.run(() => gate.promise, NEVER);
    const leaving = new AbortController();
    const second = pool.run(async () => 'second', leaving.signal);
    leaving.abort(new Error('gone'));
    await assert.rejects(second, /gone/);
    const third = pool.run(async () => 'third', NEVER);
    gate.resolve();
    await first;
    assert.equal(await third, 'third');
  });

  test('does not let a caller wait longer than allowed', async (t) => {
    const pool = open(t, { running: 1, waitMs: 20 });
    const gate = Promise.withResolvers<void>();
    const first = pool.run(() => gate.promise, NEVER);
    await assert.rejects(
      pool.run(async () => undefined, NEVER),
      isBusy,
    );
    gate.resolve();
    await first;
  });

  test('replaces a process that was killed', { skip: hasProc }, async (t) => {
    const pool = open(t);
    await pool.run(convert, NEVER);
    const [pid] = converterPids();
    process.kill(pid as number, 'SIGKILL');
    await untilGone(pid as number);
    assert.ok((await pool.run(convert, NEVER)).length > 0);
    assert.equal(converterPids().includes(pid as number), false);
  });

  test('ends a process that is idle', { skip: hasProc }, async (t) => {
    const pool = open(t, { idleMs: 10 });
    await pool.run(convert, NEVER);
    for (const pid of converterPids()) await untilGone(pid);
    assert.deepEqual(converterPids(), []);
  });

  test('kills the conversions in progress when it closes, and begins none', { skip: hasProc }, async (t) => {
    const pool = open(t);
    const running = pool.run(convert, NEVER);
    running.catch(() => undefined);
    await pool.close();
    await assert.rejects(running, PreviewUnavailableError);
    assert.deepEqual(converterPids(), []);
    await assert.rejects(pool.run(convert, NEVER), PreviewUnavailableError);
  });
});
