import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fed, Room } from '../../../src/catalogue/queue/claims.ts';
import { createDispatcher, decideWindow } from '../../../src/pipeline/dispatch/dispatcher.ts';
import { createHealth } from '../../../src/runtime/health.ts';
import { until } from '../../contract/shapes.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const BOUNDS = { min: 16, max: 1_000, pictureWindowMs: 7_000 };
const job = (n: number, account = 'wx1'): Fed => ({
  id: `m_${n}`,
  round: 1,
  reference: { account, mediaId: `media-${n}`, kind: 'image', sentAt: NOW },
});

/** A backlog in memory, and a queue that answers as the test says. */
function setup(options: {
  backlog: Fed[];
  concurrency?: number;
  addsFailingMs?: number;
  add?: (jobs: readonly { id: string }[]) => Promise<void>;
}) {
  const { backlog } = options;
  const added: string[] = [];
  const looks: (readonly Room[])[] = [];
  const asked: string[] = [];
  const warnings: string[] = [];
  const health = createHealth(() => NOW);
  let looked: () => void = () => undefined;
  const feeder = createDispatcher(
    {
      accounts: { all: [{ account: 'wx1', concurrency: options.concurrency ?? 4 } as never] },
      clock: { now: () => NOW },
      log: { warn: (...args: unknown[]) => void warnings.push(String(args.at(-1))) },
      health,
      queue: {
        add: async (jobs) => {
          await options.add?.(jobs);
          added.push(...jobs.map(({ id }) => id));
        },
      },
      catalogue: {
        queue: {
          promote: async () => asked.push('promote'),
          claim: async (rooms, _now, _most, pictureWindowMs) => {
            asked.push(`claim ${pictureWindowMs}`);
            looks.push(rooms);
            looked();
            return { fed: backlog.splice(0, rooms[0]!.room), inQueue: new Map([['wx1', 0]]) };
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
  const running = feeder.run(controller.signal);
  return {
    feeder,
    added,
    looks,
    asked,
    warnings,
    health,
    nextLook: () =>
      new Promise<void>((resolve) => {
        looked = resolve;
      }),
    stop: async () => {
      controller.abort(new Error('closing'));
      await running;
    },
  };
}

const jobs = (count: number) => Array.from({ length: count }, (_, n) => job(n));

describe('feeder', () => {
  it('gives an account twice the room when the workers empty the queue between two looks', () => {
    assert.equal(decideWindow(16, { inQueue: 0, taken: 16 }, BOUNDS), 32);
    assert.equal(decideWindow(16, { inQueue: 4, taken: 12 }, BOUNDS), 32);
    assert.equal(decideWindow(800, { inQueue: 0, taken: 800 }, BOUNDS), 1_000, 'never beyond the window');
  });

  it('takes room away when they do not, and leaves it where the backlog is smaller than the room', () => {
    assert.equal(decideWindow(100, { inQueue: 90, taken: 10 }, BOUNDS), 75);
    assert.equal(decideWindow(16, { inQueue: 15, taken: 1 }, BOUNDS), 16, 'never below the least');
    assert.equal(decideWindow(100, { inQueue: 0, taken: 3 }, BOUNDS), 100);
    assert.equal(decideWindow(100, { inQueue: 50, taken: 50 }, BOUNDS), 100);
  });

  it('feeds a backlog in order, in growing helpings', async (t) => {
    const { feeder, added, looks, nextLook, stop } = setup({ backlog: jobs(60) });
    t.after(stop);
    for (let look = 0; look < 3; look++) {
      const next = nextLook();
      feeder.notify();
      await next;
    }
    await stop();
    assert.deepEqual(
      looks.slice(0, 3).map((rooms) => rooms[0]?.room),
      [16, 32, 64],
    );
    assert.deepEqual(
      added,
      jobs(60).map(({ id }) => id),
    );
  });

  it('gives an account that may have many in work at once room for them from the start', async (t) => {
    const { looks, nextLook, stop } = setup({ backlog: [], concurrency: 64 });
    t.after(stop);
    await nextLook();
    assert.deepEqual(looks[0], [{ account: 'wx1', room: 64 }]);
  });

  /** Looks at ticks alone would take ten seconds. */
  const LOOKS = 40;
  const SOON_MS = 5_000;

  it('looks again at once when woken, without waiting for the tick', async (t) => {
    const { feeder, nextLook, stop } = setup({ backlog: [] });
    t.after(stop);
    const startedAt = performance.now();
    for (let look = 0; look < LOOKS; look++) {
      const next = nextLook();
      feeder.notify();
      await next;
    }
    assert.ok(performance.now() - startedAt < SOON_MS);
  });

  it('looks again at once when half of what it fed has left the queue', async (t) => {
    const backlog = jobs(4);
    const { feeder, nextLook, stop } = setup({ backlog });
    t.after(stop);
    await new Promise((resolve) => setImmediate(resolve));
    const startedAt = performance.now();
    for (let look = 0; look < LOOKS; look++) {
      backlog.push(...jobs(4));
      const next = nextLook();
      feeder.jobFinished();
      feeder.jobFinished();
      await next;
    }
    assert.ok(performance.now() - startedAt < SOON_MS);
  });

  it('puts back what the queue did not take, says so once, and begins small when it is back', async (t) => {
    let refusals = 0;
    const { added, looks, warnings, stop } = setup({
      backlog: jobs(40),
      add: async (given) => {
        // The first helping goes through and doubles the room; then Redis is away for two looks.
        if (given[0]?.id === 'm_0') return;
        if (refusals < 2) {
          refusals++;
          throw new Error('away');
        }
      },
    });
    t.after(stop);
    await until('what was refused is taken', async () => refusals === 2 && added.length >= 32);
    await stop();
    assert.equal(warnings.length, 1);
    assert.deepEqual(
      added.slice(0, 32),
      jobs(32).map(({ id }) => id),
      'nothing is skipped, nothing twice',
    );
    assert.deepEqual(
      looks.slice(0, 4).map((rooms) => rooms[0]?.room),
      [16, 32, 16, 16],
    );
  });

  it('reports adds that fail for long without one success, and the first success after them', async (t) => {
    let isAway = true;
    let refusals = 0;
    const { health, stop } = setup({
      backlog: jobs(40),
      addsFailingMs: 500,
      add: async () => {
        if (!isAway) return;
        refusals++;
        throw new Error('OOM');
      },
    });
    t.after(stop);
    const codes = () => health.list().map(({ code }) => code);
    await until('a failed add', async () => refusals === 1);
    assert.deepEqual(codes(), []);
    await until('it is reported', async () => codes().includes('queue_adds_failing'));
    isAway = false;
    await until('it is over', async () => codes().length === 0);
  });

  it('makes due what has waited for its time before it claims, once a tick, and pictures near their deadline', async (t) => {
    const { feeder, asked, nextLook, stop } = setup({ backlog: [] });
    t.after(stop);
    const startedAt = performance.now();
    for (let look = 0; look < 20; look++) {
      const next = nextLook();
      feeder.notify();
      await next;
    }
    const ticks = Math.ceil((performance.now() - startedAt) / 250) + 1;
    assert.equal(asked[0], 'promote');
    assert.deepEqual(new Set(asked), new Set(['promote', 'claim 7000']));
    const promotes = asked.filter((what) => what === 'promote').length;
    assert.ok(promotes >= 1 && promotes <= ticks, `${promotes} in ${ticks} ticks`);
    const before = promotes;
    await until('the next tick', async () => asked.filter((what) => what === 'promote').length > before);
  });

  it('rests for a second after a failed add, and one success begins the count anew', async (t) => {
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

  it('ends when told to, in the middle of a pause too', async () => {
    const { stop, nextLook } = setup({ backlog: [] });
    await nextLook();
    await stop();
  });
});
