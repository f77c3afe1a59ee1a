import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountCapacity, ClaimedItem } from '../../../src/catalogue/queue/claims.ts';
import { createDispatcher, decideWindow } from '../../../src/pipeline/dispatch/dispatcher.ts';
import { createHealth } from '../../../src/runtime/health.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { until } from '../../contract/shapes.ts';
import { createRecordingLog } from '../recording-log.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const BOUNDS = { min: 16, max: 1_000, pictureWindowMs: 7_000 };
const job = (n: number, account = 'wx1'): ClaimedItem => ({
  id: `m_${n}`,
  generation: 1,
  reference: { account, mediaId: `media-${n}`, kind: 'image', sentAt: NOW },
});

/** A backlog in memory, and a queue that behaves as the test wants. */
function setup(options: {
  backlog: ClaimedItem[];
  concurrency?: number;
  addsFailingMs?: number;
  add?: (jobs: readonly { id: string }[]) => Promise<void>;
}) {
  const { backlog } = options;
  const added: string[] = [];
  const claims: (readonly AccountCapacity[])[] = [];
  const calls: string[] = [];
  const { log, lines } = createRecordingLog();
  const health = createHealth(() => NOW);
  let claimed: () => void = () => undefined;
  const dispatcher = createDispatcher(
    {
      accounts: { all: [{ account: 'wx1', concurrency: options.concurrency ?? 4 } as never] },
      clock: { now: () => NOW },
      log,
      metrics: createMetrics(),
      health,
      queue: {
        add: async (jobs) => {
          await options.add?.(jobs);
          added.push(...jobs.map(({ id }) => id));
        },
      },
      catalogue: {
        queue: {
          promote: async () => calls.push('promote'),
          claim: async (rooms, _now, _most, pictureWindowMs) => {
            calls.push(`claim ${pictureWindowMs}`);
            claims.push(rooms);
            claimed();
            return { claimed: backlog.splice(0, rooms[0]!.capacity), inQueue: new Map([['wx1', 0]]) };
          },
          requeue: async (jobs) => {
            backlog.unshift(...jobs.map(({ id }) => job(Number(id.slice(2)))));
            return jobs.length;
          },
        },
      },
    },
    { ...BOUNDS, ...(options.addsFailingMs === undefined ? {} : { addsFailingMs: options.addsFailingMs }) },
  );
  const controller = new AbortController();
  const running = dispatcher.run(controller.signal);
  return {
    dispatcher,
    added,
    claims,
    calls,
    lines,
    health,
    nextClaim: () =>
      new Promise<void>((resolve) => {
        claimed = resolve;
      }),
    stop: async () => {
      controller.abort(new Error('closing'));
      await running;
    },
  };
}

const jobs = (count: number) => Array.from({ length: count }, (_, n) => job(n));

describe('the dispatcher', () => {
  it('doubles the window of an account when the workers empty the queue between two claims', () => {
    assert.equal(decideWindow(16, { inQueue: 0, claimed: 16 }, BOUNDS), 32);
    assert.equal(decideWindow(16, { inQueue: 4, claimed: 12 }, BOUNDS), 32);
    assert.equal(decideWindow(800, { inQueue: 0, claimed: 800 }, BOUNDS), 1_000, 'never above the maximum');
  });

  it('shrinks the window when they do not, and keeps it while the backlog is smaller than the window', () => {
    assert.equal(decideWindow(100, { inQueue: 90, claimed: 10 }, BOUNDS), 75);
    assert.equal(decideWindow(16, { inQueue: 15, claimed: 1 }, BOUNDS), 16, 'never below the minimum');
    assert.equal(decideWindow(100, { inQueue: 0, claimed: 3 }, BOUNDS), 100);
    assert.equal(decideWindow(100, { inQueue: 50, claimed: 50 }, BOUNDS), 100);
  });

  it('dispatches a backlog in order, in batches that grow', async (t) => {
    const { dispatcher, added, claims, nextClaim, stop } = setup({ backlog: jobs(60) });
    t.after(stop);
    for (let claim = 0; claim < 3; claim++) {
      const next = nextClaim();
      dispatcher.notify();
      await next;
    }
    await stop();
    assert.deepEqual(
      claims.slice(0, 3).map((rooms) => rooms[0]?.capacity),
      [16, 32, 64],
    );
    assert.deepEqual(
      added,
      jobs(60).map(({ id }) => id),
    );
  });

  it('starts an account with a window of at least its concurrency', async (t) => {
    const { claims, nextClaim, stop } = setup({ backlog: [], concurrency: 64 });
    t.after(stop);
    await nextClaim();
    assert.deepEqual(claims[0], [{ account: 'wx1', capacity: 64 }]);
  });

  /** With ticks alone these claims would take ten seconds. */
  const CLAIMS = 40;
  const SOON_MS = 5_000;

  it('claims at once when notified, without waiting for the tick', async (t) => {
    const { dispatcher, nextClaim, stop } = setup({ backlog: [] });
    t.after(stop);
    const startedAt = performance.now();
    for (let claim = 0; claim < CLAIMS; claim++) {
      const next = nextClaim();
      dispatcher.notify();
      await next;
    }
    assert.ok(performance.now() - startedAt < SOON_MS);
  });

  it('claims at once when half of the jobs it added have left the queue', async (t) => {
    const backlog = jobs(4);
    const { dispatcher, nextClaim, stop } = setup({ backlog });
    t.after(stop);
    await new Promise((resolve) => setImmediate(resolve));
    const startedAt = performance.now();
    for (let claim = 0; claim < CLAIMS; claim++) {
      backlog.push(...jobs(4));
      const next = nextClaim();
      dispatcher.jobFinished();
      dispatcher.jobFinished();
      await next;
    }
    assert.ok(performance.now() - startedAt < SOON_MS);
  });

  it('requeues what the queue did not accept, logs it, and starts with the smallest window afterwards', async (t) => {
    let refusals = 0;
    const { added, claims, lines, stop } = setup({
      backlog: jobs(40),
      add: async (given) => {
        // The first batch succeeds and doubles the window; then Redis is unavailable for two claims.
        if (given[0]?.id === 'm_0') return;
        if (refusals < 2) {
          refusals++;
          throw new Error('unavailable');
        }
      },
    });
    t.after(stop);
    await until('what was refused is added', async () => refusals === 2 && added.length >= 32);
    await stop();
    const failures = lines.filter(({ message }) => message === 'dispatcher: failed, retrying');
    assert.deepEqual(
      failures.map(({ fields }) => fields.count),
      [1, 1],
      'one line at once, and one for those that follow',
    );
    assert.deepEqual(
      added.slice(0, 32),
      jobs(32).map(({ id }) => id),
      'nothing is skipped and nothing is added twice',
    );
    assert.deepEqual(
      claims.slice(0, 4).map((rooms) => rooms[0]?.capacity),
      [16, 32, 16, 16],
    );
  });

  it('reports adds that fail for long without one success, until the first success', async (t) => {
    let isDown = true;
    let refusals = 0;
    const { health, stop } = setup({
      backlog: jobs(40),
      addsFailingMs: 500,
      add: async () => {
        if (!isDown) return;
        refusals++;
        throw new Error('OOM');
      },
    });
    t.after(stop);
    const codes = () => health.list().map(({ code }) => code);
    await until('a failed add', async () => refusals === 1);
    assert.deepEqual(codes(), []);
    await until('it is reported', async () => codes().includes('queue_adds_failing'));
    isDown = false;
    await until('it is over', async () => codes().length === 0);
  });

  it('promotes rows whose time has come once a tick, and claims pictures near their deadline', async (t) => {
    const { dispatcher, calls, nextClaim, stop } = setup({ backlog: [] });
    t.after(stop);
    const startedAt = performance.now();
    for (let claim = 0; claim < 20; claim++) {
      const next = nextClaim();
      dispatcher.notify();
      await next;
    }
    const ticks = Math.ceil((performance.now() - startedAt) / 250) + 1;
    assert.equal(calls[0], 'promote');
    assert.deepEqual(new Set(calls), new Set(['promote', 'claim 7000']));
    const promotes = calls.filter((call) => call === 'promote').length;
    assert.ok(promotes >= 1 && promotes <= ticks, `${promotes} in ${ticks} ticks`);
    const before = promotes;
    await until('the next tick', async () => calls.filter((call) => call === 'promote').length > before);
  });

  it('waits a second after a failed add, and one success restarts the count', async (t) => {
    const adds: number[] = [];
    const { health, stop } = setup({
      backlog: jobs(100),
      addsFailingMs: 500,
      add: async () => {
        if (adds.push(performance.now()) !== 2) throw new Error('OOM');
      },
    });
    t.after(stop);
    await until('the third add', async () => adds.length === 3);
    assert.deepEqual(health.list(), []);
    assert.ok(adds[1]! - adds[0]! > 900, `${adds[1]! - adds[0]!} ms`);
  });

  it('ends when its signal aborts, also during a wait', async () => {
    const { stop, nextClaim } = setup({ backlog: [] });
    await nextClaim();
    await stop();
  });
});
