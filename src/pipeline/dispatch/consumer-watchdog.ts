/**
 * Restarts a consumer that takes no jobs any more. A consumer whose connection has gone silent reports no error. So a
 * worker with a free place that sees the same job first in the queue for a minute opens its consumer again, with new
 * connections.
 */
import type { ConsumeOptions, Consumer, JobHandler } from '../../queue/consumer.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';

export interface ConsumerWatchdogDeps {
  queue: Pick<ArchiveQueue, 'consume' | 'firstWaiting'>;
  health: Pick<Health, 'setUnhealthy' | 'setHealthy'>;
  metrics: Pick<Metrics, 'consumerRestarts' | 'backgroundErrors'>;
  clock: Pick<Clock, 'sleep'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
}

export interface ConsumerWatchdogOptions {
  readonly consume: ConsumeOptions;
  /** How long running jobs may go on when the consumer is restarted. */
  readonly graceMs: number;
  /** How long a job may stay first in the queue. Default 60,000. Real time: it is about connections. */
  readonly quietMs?: number;
  /** Default 10,000. */
  readonly everyMs?: number;
}

export interface ConsumerWatchdog {
  /** The jobs that the consumer works on now. */
  readonly running: number;
  /** Watches until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** As {@link Consumer.close}. */
  close(graceMs: number): Promise<void>;
}

/** After so many restarts in a row without effect, /livez asks for a restart of the process. */
export const RESTARTS = 3;

/** The job that is first in the queue, and since when. */
export interface UntakenJob {
  readonly jobId: string;
  readonly sinceMs: number;
}

/**
 * Combines one poll with those before it. Undefined where the consumer is not suspect: all of its places are taken by
 * long downloads, or it began a job since the last poll. Where the first job changes, some worker takes jobs.
 */
export function decideUntakenJob(
  before: UntakenJob | undefined,
  { first, hasBegun, isFull }: { first: string | undefined; hasBegun: boolean; isFull: boolean },
  nowMs: number,
): UntakenJob | undefined {
  if (first === undefined || hasBegun || isFull) return undefined;
  return before?.jobId === first ? before : { jobId: first, sinceMs: nowMs };
}

/** Opens a consumer and watches it. */
export async function openConsumerWatchdog(
  deps: ConsumerWatchdogDeps,
  handler: JobHandler,
  options: ConsumerWatchdogOptions,
): Promise<ConsumerWatchdog> {
  const { queue, health, log } = deps;
  const { quietMs = 60_000, everyMs = 10_000, graceMs } = options;
  let running = 0;
  let begun = 0;
  let begunAtLastPoll = 0;
  let restarts = 0;
  let isClosed = false;
  let untaken: UntakenJob | undefined;

  const counted: JobHandler = async (job, signal) => {
    running++;
    begun++;
    if (restarts > 0) {
      log.info({ restarts }, 'consumer-watchdog: the consumer takes jobs again');
      restarts = 0;
      health.setHealthy('worker_quiet');
    }
    try {
      return await handler(job, signal);
    } finally {
      running--;
    }
  };
  const open = () => queue.consume(counted, options.consume);
  let consumer = await open();
  health.setHealthy('consumer_closed');

  async function restart(): Promise<void> {
    restarts++;
    deps.metrics.consumerRestarts.inc();
    log.error(
      { jobId: untaken?.jobId, restarts },
      'consumer-watchdog: the consumer takes no jobs, restarting it',
    );
    health.setUnhealthy('worker_quiet', { count: restarts, isFatal: restarts > RESTARTS });
    untaken = undefined;
    await consumer.close(graceMs);
    if (isClosed) return;
    consumer = await open();
    if (isClosed) await consumer.close(0);
  }

  async function poll(signal: AbortSignal): Promise<void> {
    const hasBegun = begun !== begunAtLastPoll;
    try {
      const first = await queue.firstWaiting(signal);
      const isFull = running >= options.consume.concurrency;
      untaken = decideUntakenJob(untaken, { first, hasBegun, isFull }, performance.now());
      if (untaken && performance.now() - untaken.sinceMs >= quietMs) await restart();
    } catch (error) {
      // The queue is unavailable: no worker can take anything, and a new consumer could not either.
      untaken = undefined;
      throw error;
    } finally {
      begunAtLastPoll = begun;
    }
  }

  const loop = createPollLoop({
    name: 'consumer-watchdog',
    everyMs,
    waitsFirst: true,
    log,
    metrics: deps.metrics,
    sleep: deps.clock.sleep,
    work: poll,
  });

  return {
    get running() {
      return running;
    },
    run: loop.run,
    close: async (grace) => {
      isClosed = true;
      await consumer.close(grace);
    },
  };
}
