/** A consumer that fell silent is opened anew; one that has nothing to do, or is full, is left alone. */
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

describe('what a look adds to those before it', () => {
  const seen = (first: string | undefined, more: { hasBegun?: boolean; isFull?: boolean } = {}) => ({
    first,
    hasBegun: false,
    isFull: false,
    ...more,
  });
  const before: UntakenJob = { jobId: 'a', sinceMs: 1_000 };

  for (const [what, sight, expected] of [
    ['the same job stands first and nobody takes it', seen('a'), before],
    ['another one stands first: somebody works', seen('b'), { jobId: 'b', sinceMs: 9_000 }],
    ['nothing waits: all is held, or done', seen(undefined), undefined],
    ['this worker has begun one meanwhile', seen('a', { hasBegun: true }), undefined],
    ['long downloads have all its places', seen('a', { isFull: true }), undefined],
  ] as const) {
    test(what, () => assert.deepEqual(decideUntakenJob(before, sight, 9_000), expected));
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

interface Ground {
  readonly direct: QueueBackend;
  readonly frozen: QueueBackend;
  /** What the queue itself asks on is not to fall silent: the consumer alone does. */
  spare(): void;
  freeze(): number;
}
type Lay = (t: TestContext) => Promise<Ground | undefined>;

const onRedis: Lay = async (t) => {
  const redis = await redisForTest(t);
  if (!redis) return undefined;
  const line = await openFreezingLine(t, redis.url);
  const of = (url: string) => ({ kind: 'redis', url, prefix: redis.prefix }) as const;
  return { ...line, direct: of(redis.url), frozen: of(line.url) };
};

const onPostgres: Lay = async (t) => {
  const url = await postgresForTest(t);
  if (!url) return undefined;
  const line = await openFreezingLine(t, url);
  const of = (connectionString: string) => {
    const pool = new pg.Pool({ connectionString, ...QUEUE_POOL_OPTIONS, query_timeout: 2_000 });
    pool.on('error', () => {});
    t.after(() => t.after(() => pool.end()));
    return { kind: 'postgres', pool, prefix: '{wma}' } as const;
  };
  return { ...line, direct: of(url), frozen: of(line.url) };
};

/** A media is taken, the connections fall silent, and in the end another one is taken. */
async function takesAgain(
  queue: Pick<ArchiveQueue, 'add'>,
  handled: ReturnType<typeof createHandled>,
  ground: Ground,
): Promise<void> {
  await queue.add([entryOf('before')]);
  await handled.until(1);
  assert.ok(ground.freeze() > 0);
  const added = () =>
    queue.add([entryOf('after')]).then(
      () => true,
      () => false,
    );
  await eventually('added', added, 60_000);
  await eventually('taken again', async () => handled.jobs.length >= 2, 60_000);
}

for (const [name, skip, lay] of [
  ['Redis', missing.redis, onRedis],
  ['Postgres', missing.postgres, onPostgres],
] as const) {
  describe(`on ${name}`, { skip }, () => {
    test('a consumer whose connections fell silent is opened anew and takes media again', async (t) => {
      const ground = await lay(t);
      if (!ground) return;
      const handled = createHandled();
      const { queue, restarts, health, lines } = await setup(t, ground.frozen, handled.handler, ground.spare);
      await takesAgain(queue, handled, ground);
      assert.ok((await restarts()) >= 1);
      assert.ok(lines.some((line) => /opening it anew/.test(line)));
      assert.deepEqual(health.list(), []);
    });

    test('where every connection fell silent, all goes on too', async (t) => {
      const ground = await lay(t);
      if (!ground) return;
      const handled = createHandled();
      const { queue } = await setup(t, ground.frozen, handled.handler);
      await takesAgain(queue, handled, ground);
    });

    test('an idle consumer and a full one are left alone', async (t) => {
      const ground = await lay(t);
      if (!ground) return;
      let letGo = () => {};
      const gone = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const handled = createHandled(async () => {
        await gone;
        return finish;
      });
      const { queue, restarts } = await setup(t, ground.direct, handled.handler);
      await new Promise((resolve) => setTimeout(resolve, WATCH.quietMs + 3 * WATCH.everyMs));
      await queue.add(['a', 'b', 'c'].map((media) => entryOf(media)));
      await handled.until(2);
      await new Promise((resolve) => setTimeout(resolve, WATCH.quietMs + 3 * WATCH.everyMs));
      assert.equal(await restarts(), 0);
      letGo();
      await handled.until(3);
      assert.equal(await restarts(), 0);
    });
  });
}

test('a new consumer takes what stood; where none does, the process is to be restarted; a job begun ends it', async (t) => {
  const { deps, health, lines, signal, restarts } = createPrograms(t);
  const closed: number[] = [];
  let take: JobHandler | undefined;
  const queue = {
    firstWaiting: async () => 'stands',
    consume: async (handler: JobHandler, _options: ConsumeOptions): Promise<Consumer> => {
      take = handler;
      return { close: async (graceMs) => void closed.push(graceMs), lastStartedAt: undefined };
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
  assert.ok(lines.some((line) => /opening it anew/.test(line)));
  const job = { jobId: 'stands', id: 'stands', round: 1, reference: entryOf('a').reference, attempt: 1 };
  queue.firstWaiting = async () => undefined as never;
  await eventually('well', async () => {
    await take!(job, signal);
    return liveness(health).code === 200 && health.list().length === 0;
  });
  // What follows is counted from its beginning.
  const unhealthy = t.mock.method(health, 'setUnhealthy');
  queue.firstWaiting = async () => 'stands';
  await eventually('silent again', async () => unhealthy.mock.callCount() > 0);
  assert.deepEqual(unhealthy.mock.calls[0]?.arguments, ['worker_quiet', { count: 1, isFatal: false }]);
  await watchdog.close(0);
  void running;
});

for (const during of ['closing', 'opening'] as const) {
  test(`a watchdog that is closed while it is ${during} a consumer leaves none behind`, async (t) => {
    const { deps } = createPrograms(t);
    const open = new Set<number>();
    const reached = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const pass = async (what: typeof during) => {
      if (what !== during) return;
      reached.resolve();
      await gate.promise;
    };
    let opened = 0;
    const queue = {
      firstWaiting: async () => 'stands',
      consume: async (): Promise<Consumer> => {
        const number = ++opened;
        if (number > 1) await pass('opening');
        open.add(number);
        const close = async () => {
          await pass('closing');
          open.delete(number);
        };
        return { close, lastStartedAt: undefined };
      },
    };
    const stop = new AbortController();
    const options = { consume: FAST, graceMs: 0, quietMs: 20, everyMs: 5 };
    const watchdog = await openConsumerWatchdog({ ...deps, queue }, createHandled().handler, options);
    const running = watchdog.run(stop.signal);
    await reached.promise;
    stop.abort();
    const closed = watchdog.close(0);
    gate.resolve();
    await Promise.all([closed, running]);
    assert.deepEqual([...open], []);
  });
}

test('a queue that does not answer is nobody to blame a consumer for', async (t) => {
  const { deps, restarts, signal } = createPrograms(t);
  let asked = 0;
  const queue = {
    firstWaiting: async (): Promise<string> => {
      asked++;
      throw new Error('away');
    },
    consume: async (): Promise<Consumer> => ({ close: async () => {}, lastStartedAt: undefined }),
  };
  const options = { consume: FAST, graceMs: 0, quietMs: 20, everyMs: 5 };
  const watchdog = await openConsumerWatchdog({ ...deps, queue }, createHandled().handler, options);
  const running = watchdog.run(signal);
  await eventually('asked often', async () => asked > 20);
  assert.equal(await restarts(), 0);
  // Nor one that answers now and then.
  queue.firstWaiting = async () => {
    if (asked++ % 2 === 0) throw new Error('away');
    return 'stands';
  };
  await eventually('asked often again', async () => asked > 60);
  assert.equal(await restarts(), 0);
  void running;
});
