/** The watchdog restarts a consumer whose connection fell silent, and leaves one alone that is idle or full. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import pg from 'pg';
import {
  decideUntakenJob,
  openConsumerWatchdog,
  RESTARTS,
  type UntakenJob,
} from '../../../src/pipeline/dispatch/consumer-watchdog.ts';
import { QUEUE_POOL_OPTIONS, type QueueBackend } from '../../../src/queue/backend.ts';
import type { ConsumeOptions, Consumer, JobHandler } from '../../../src/queue/consumer.ts';
import { type ArchiveQueue, openArchiveQueue } from '../../../src/queue/queue.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createHealth, liveness } from '../../../src/runtime/health.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { missing, postgresForTest, redisForTest } from '../../machine/services.ts';
import { createHandled, entryOf, eventually, finish } from '../../queue/handled.ts';
import { openFreezingLine } from './freezing-line.ts';

const FAST = {
  concurrency: 2,
  lockDurationMs: 2_000,
  stalledIntervalMs: 1_000,
  internalRetryMs: 100,
  abortMs: 200,
};
const WATCH = { graceMs: 500, quietMs: 1_500, everyMs: 200 };

function createPrograms(t: TestContext) {
  const lines: string[] = [];
  const log = createLog({
    level: 'info',
    program: 'test',
    secrets: [],
    write: (line) => void lines.push(line),
  });
  const metrics = createMetrics();
  const health = createHealth(systemClock.now);
  const stopped = new AbortController();
  t.after(() => stopped.abort());
  const restarts = async () => Number((await metrics.consumerRestarts.get()).values[0]?.value ?? 0);
  return {
    deps: { health, metrics, clock: systemClock, log },
    lines,
    health,
    restarts,
    signal: stopped.signal,
  };
}

describe('decideUntakenJob', () => {
  const seen = (first: string | undefined, more: { hasBegun?: boolean; isFull?: boolean } = {}) => ({
    first,
    hasBegun: false,
    isFull: false,
    ...more,
  });
  const before: UntakenJob = { jobId: 'a', sinceMs: 1_000 };

  for (const [name, sight, expected] of [
    ['keeps the job where the same one is still first', seen('a'), before],
    [
      'starts again where another job is first, because a worker took the one before',
      seen('b'),
      { jobId: 'b', sinceMs: 9_000 },
    ],
    ['suspects nothing where no job waits', seen(undefined), undefined],
    ['suspects nothing where this worker has begun a job', seen('a', { hasBegun: true }), undefined],
    ['suspects nothing where long downloads occupy all places', seen('a', { isFull: true }), undefined],
  ] as const) {
    test(name, () => assert.deepEqual(decideUntakenJob(before, sight, 9_000), expected));
  }
});

async function setup(t: TestContext, backend: QueueBackend, handler: JobHandler, onQueue = () => {}) {
  const program = createPrograms(t);
  const queue = await openArchiveQueue(backend, { log: program.deps.log });
  t.after(() => queue.close());
  await queue.counts();
  onQueue();
  const watchdog = await openConsumerWatchdog({ ...program.deps, queue }, handler, {
    consume: FAST,
    ...WATCH,
  });
  const running = watchdog.run(program.signal);
  t.after(async () => {
    await watchdog.close(0);
    await running;
  });
  return { ...program, queue };
}

interface Backends {
  readonly direct: QueueBackend;
  readonly frozen: QueueBackend;
  /** Exempts the connections of the queue itself: only the consumer's fall silent. */
  spare(): void;
  freeze(): number;
}
/** `queryTimeoutMs`: when a client of Postgres itself gives up a connection that has fallen silent. */
type OpenBackends = (t: TestContext, queryTimeoutMs: number) => Promise<Backends | undefined>;
/** Sooner than the watchdog, and later. */
const QUERY_TIMEOUT_MS = { short: 2_000, long: 10_000 };

const openOnRedis: OpenBackends = async (t) => {
  const redis = await redisForTest(t);
  if (!redis) return undefined;
  const line = await openFreezingLine(t, redis.url);
  const of = (url: string) => ({ kind: 'redis', url, prefix: redis.prefix }) as const;
  return { ...line, direct: of(redis.url), frozen: of(line.url) };
};

const openOnPostgres: OpenBackends = async (t, queryTimeoutMs) => {
  const url = await postgresForTest(t);
  if (!url) return undefined;
  const line = await openFreezingLine(t, url);
  const of = (connectionString: string) => {
    const pool = new pg.Pool({ connectionString, ...QUEUE_POOL_OPTIONS, query_timeout: queryTimeoutMs });
    pool.on('error', () => {});
    t.after(() => t.after(() => pool.end()));
    return { kind: 'postgres', pool, prefix: '{wma}' } as const;
  };
  return { ...line, direct: of(url), frozen: of(line.url) };
};

/** A job is taken, the connections fall silent, and in the end another job is taken. */
async function takesAgain(
  queue: Pick<ArchiveQueue, 'add'>,
  handled: ReturnType<typeof createHandled>,
  backends: Backends,
): Promise<void> {
  await queue.add([entryOf('before')]);
  await handled.until(1);
  assert.ok(backends.freeze() > 0);
  const added = () =>
    queue.add([entryOf('after')]).then(
      () => true,
      () => false,
    );
  await eventually('added', added, 60_000);
  await eventually('taken again', async () => handled.jobs.length >= 2, 60_000);
}

for (const [name, skip, openBackends] of [
  ['Redis', missing.redis, openOnRedis],
  ['Postgres', missing.postgres, openOnPostgres],
] as const) {
  describe(`on ${name}`, { skip }, () => {
    test('a consumer whose connections fell silent is restarted and takes jobs again', async (t) => {
      const backends = await openBackends(t, QUERY_TIMEOUT_MS.long);
      if (!backends) return;
      const handled = createHandled();
      const { queue, restarts, health, lines } = await setup(
        t,
        backends.frozen,
        handled.handler,
        backends.spare,
      );
      await takesAgain(queue, handled, backends);
      assert.ok((await restarts()) >= 1);
      assert.ok(lines.some((line) => /restarting it/.test(line)));
      assert.deepEqual(health.list(), []);
    });

    test('a worker takes jobs again after all of its connections fell silent', async (t) => {
      const backends = await openBackends(t, QUERY_TIMEOUT_MS.short);
      if (!backends) return;
      const handled = createHandled();
      const { queue } = await setup(t, backends.frozen, handled.handler);
      await takesAgain(queue, handled, backends);
    });

    test('an idle consumer and a full one are not restarted', async (t) => {
      const backends = await openBackends(t, QUERY_TIMEOUT_MS.short);
      if (!backends) return;
      const released = Promise.withResolvers<void>();
      const handled = createHandled(async () => {
        await released.promise;
        return finish;
      });
      const { queue, restarts } = await setup(t, backends.direct, handled.handler);
      await new Promise((resolve) => setTimeout(resolve, WATCH.quietMs + 3 * WATCH.everyMs));
      await queue.add(['a', 'b', 'c'].map((media) => entryOf(media)));
      await handled.until(2);
      await new Promise((resolve) => setTimeout(resolve, WATCH.quietMs + 3 * WATCH.everyMs));
      assert.equal(await restarts(), 0);
      released.resolve();
      await handled.until(3);
      assert.equal(await restarts(), 0);
    });
  });
}

test('after restarts without effect the process is reported as stuck, until a job begins', async (t) => {
  const { deps, health, lines, signal, restarts } = createPrograms(t);
  const closed: number[] = [];
  let take: JobHandler | undefined;
  const queue = {
    firstWaiting: async () => 'first',
    consume: async (handler: JobHandler, _options: ConsumeOptions): Promise<Consumer> => {
      take = handler;
      return { close: async (graceMs) => void closed.push(graceMs) };
    },
  };
  const watchdog = await openConsumerWatchdog({ ...deps, queue }, createHandled().handler, {
    consume: FAST,
    graceMs: 123,
    quietMs: 60,
    everyMs: 10,
  });
  const running = watchdog.run(signal);
  await eventually('one restart', async () => (await restarts()) >= 1);
  assert.equal(closed[0], 123);
  assert.ok(health.list().some(({ code }) => code === 'worker_quiet'));
  await eventually('stuck', async () => liveness(health).code === 503);
  assert.ok((await restarts()) > RESTARTS);
  assert.ok(lines.some((line) => /restarting it/.test(line)));
  const job = { jobId: 'first', id: 'first', generation: 1, reference: entryOf('a').reference, attempt: 1 };
  queue.firstWaiting = async () => undefined as never;
  await eventually('healthy', async () => {
    await take!(job, signal);
    return liveness(health).code === 200 && health.list().length === 0;
  });
  // A later silence is counted from 1 again.
  const unhealthy = t.mock.method(health, 'setUnhealthy');
  queue.firstWaiting = async () => 'first';
  await eventually('silent again', async () => unhealthy.mock.callCount() > 0);
  assert.deepEqual(unhealthy.mock.calls[0]?.arguments, ['worker_quiet', { count: 1, isFatal: false }]);
  await watchdog.close(0);
  void running;
});

for (const during of ['closing', 'opening'] as const) {
  test(`a watchdog that is closed while it is ${during} a consumer leaves no consumer open`, async (t) => {
    const { deps } = createPrograms(t);
    const open = new Set<number>();
    const reached = Promise.withResolvers<void>();
    const blocked = Promise.withResolvers<void>();
    const pass = async (what: typeof during) => {
      if (what !== during) return;
      reached.resolve();
      await blocked.promise;
    };
    let opened = 0;
    const queue = {
      firstWaiting: async () => 'first',
      consume: async (): Promise<Consumer> => {
        const number = ++opened;
        if (number > 1) await pass('opening');
        open.add(number);
        const close = async () => {
          await pass('closing');
          open.delete(number);
        };
        return { close };
      },
    };
    const stop = new AbortController();
    const options = { consume: FAST, graceMs: 0, quietMs: 20, everyMs: 5 };
    const watchdog = await openConsumerWatchdog({ ...deps, queue }, createHandled().handler, options);
    const running = watchdog.run(stop.signal);
    await reached.promise;
    stop.abort();
    const closed = watchdog.close(0);
    blocked.resolve();
    await Promise.all([closed, running]);
    assert.deepEqual([...open], []);
  });
}

test('a queue that does not respond leads to no restart of the consumer', async (t) => {
  const { deps, restarts, signal } = createPrograms(t);
  let calls = 0;
  const queue = {
    firstWaiting: async (): Promise<string> => {
      calls++;
      throw new Error('unavailable');
    },
    consume: async (): Promise<Consumer> => ({ close: async () => {} }),
  };
  const options = { consume: FAST, graceMs: 0, quietMs: 20, everyMs: 5 };
  const watchdog = await openConsumerWatchdog({ ...deps, queue }, createHandled().handler, options);
  const running = watchdog.run(signal);
  await eventually('called often', async () => calls > 20);
  assert.equal(await restarts(), 0);
  // Nor does one that responds now and then.
  queue.firstWaiting = async () => {
    if (calls++ % 2 === 0) throw new Error('unavailable');
    return 'first';
  };
  await eventually('called often again', async () => calls > 60);
  assert.equal(await restarts(), 0);
  void running;
});
