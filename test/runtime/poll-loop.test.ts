import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { createPollLoop } from '../../src/runtime/poll-loop.ts';
import { createWakeSignal } from '../../src/runtime/wake-signal.ts';

function setup() {
  const lines: string[] = [];
  const write = (_fields: object, message: string) => void lines.push(message);
  const metrics = createMetrics();
  const errors = async () =>
    (await metrics.backgroundErrors.get()).values.find(({ labels }) => labels.loop === 'demo')?.value;
  const end = new AbortController();
  const waits: number[] = [];
  const sleep = async (ms: number) => void waits.push(ms);
  return {
    lines,
    errors,
    end,
    waits,
    deps: { log: { info: write, warn: write, error: write } as never, metrics, sleep },
  };
}

describe('a poll loop', () => {
  test('works, waits and works again until its signal aborts', async () => {
    const { deps, end, waits } = setup();
    let turns = 0;
    const work = async () => {
      if (++turns === 3) end.abort();
    };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, work }).run(end.signal);
    assert.equal(turns, 3);
    assert.deepEqual(waits, [70, 70, 70]);
  });

  test('waits as long as a turn asks for, and not at all for 0', async () => {
    const { deps, end, waits } = setup();
    const asked: (number | undefined)[] = [0, 5, undefined];
    const work = async () => {
      if (asked.length === 1) end.abort();
      return asked.shift();
    };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, work }).run(end.signal);
    assert.deepEqual(waits, [5, 70]);
  });

  test('counts each of twenty errors, logs them once, and logs when it works again', async () => {
    const { deps, end, lines, errors, waits } = setup();
    let turns = 0;
    const work = async () => {
      if (++turns <= 20) throw new Error('broken');
      end.abort();
    };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, work }).run(end.signal);
    assert.equal(await errors(), 20);
    assert.equal(lines[0], 'demo: failed, retrying');
    // The rest is one line with a count: written after a minute, or here at the end.
    assert.deepEqual(lines.slice(1), ['demo: works again', 'demo: failed, retrying']);
    assert.ok(waits.every((ms) => ms === 70));
  });

  test('is reported as failing after three errors in a row, and no longer after a success', async () => {
    const { deps, end } = setup();
    const failing = async () => (await deps.metrics.loopFailing.get()).values[0]?.value;
    const reported: unknown[] = [];
    let turns = 0;
    const work = async () => {
      reported.push(await failing());
      if (++turns === 7) return end.abort();
      if (turns !== 3) throw new Error('broken');
    };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, failingAfterMs: 0, work }).run(end.signal);
    assert.deepEqual(reported, [0, 0, 0, 0, 0, 0, 1]);
    assert.equal(await failing(), 0, 'it works again');
  });

  test('is not reported as failing for twenty errors within a moment, or after its end', async () => {
    const { deps, end } = setup();
    const failing = async () => (await deps.metrics.loopFailing.get()).values[0]?.value;
    let turns = 0;
    const work = async () => {
      assert.equal(await failing(), 0);
      if (++turns === 20) end.abort();
      throw new Error('broken');
    };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, work }).run(end.signal);
    const ended = new AbortController();
    let failures = 0;
    const broken = async () => {
      if (++failures === 5) ended.abort();
      throw new Error('broken');
    };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, failingAfterMs: 0, work: broken }).run(
      ended.signal,
    );
    assert.equal(await failing(), 0);
  });

  test('lets timers run between turns that ask for no wait', async () => {
    const { deps, end } = setup();
    setTimeout(() => end.abort(), 5);
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, work: async () => 0 }).run(end.signal);
    assert.ok(end.signal.aborted);
  });

  test('exports its counter with 0 before the first error', async () => {
    const { deps, errors } = setup();
    createPollLoop({ ...deps, name: 'demo', everyMs: 70, work: async () => undefined });
    assert.equal(await errors(), 0);
  });

  test('neither logs nor counts an error that its own end caused', async () => {
    const { deps, end, lines, errors } = setup();
    const work = async () => {
      end.abort();
      throw new Error('aborted');
    };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, work }).run(end.signal);
    assert.deepEqual(lines, []);
    assert.equal(await errors(), 0);
  });

  test('is woken by its wake signal, also by a notification during a turn', async () => {
    const { deps, end } = setup();
    const { sleep: _, ...withoutSleep } = deps;
    const wakeSignal = createWakeSignal();
    let turns = 0;
    const work = async () => {
      if (++turns === 3) end.abort();
      wakeSignal.notify();
    };
    await createPollLoop({ ...withoutSleep, name: 'demo', everyMs: 600_000, work, wakeSignal }).run(
      end.signal,
    );
    assert.equal(turns, 3);
  });

  test('spreads its waits by the jitter', async () => {
    const { deps, end, waits } = setup();
    const dice = [0, 0.5, 1];
    const work = async () => {
      if (waits.length === 2) end.abort();
    };
    const random = () => dice.shift() ?? 0;
    await createPollLoop({ ...deps, name: 'demo', everyMs: 100, jitter: 0.2, random, work }).run(end.signal);
    assert.deepEqual(waits.map(Math.round), [80, 100, 120]);
  });

  test('waits before the first turn where that is asked for', async () => {
    const { deps, end, waits } = setup();
    const work = async () => end.abort();
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, waitsFirst: true, work }).run(end.signal);
    assert.equal(waits[0], 70);
  });

  test('gives its lease back at the end, and logs where that fails', async () => {
    const { deps, end, lines, errors } = setup();
    const lease = { drop: () => Promise.reject(new Error('away')) };
    await createPollLoop({ ...deps, name: 'demo', everyMs: 70, lease, work: async () => end.abort() }).run(
      end.signal,
    );
    assert.match(lines[0] ?? '', /lease not dropped/);
    assert.equal(await errors(), 1);
  });
});
