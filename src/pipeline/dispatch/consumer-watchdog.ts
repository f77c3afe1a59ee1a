/**
 * Keeps a consumer at work. One that has fallen silent on its connection says nothing and fails nothing: it just
 * takes no job any more. So whoever has a free place and sees the same job stand first in the queue for a minute,
 * while nobody takes it, opens its consumer anew, with new connections.
 */

import type { ConsumeOptions, Consumer, JobHandler } from '../../queue/consumer.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';

export interface ConsumerWatchdogDeps {
  queue: Pick<ArchiveQueue, 'consume' | 'firstWaiting'>;
  health: Pick<Health, 'setUnhealthy' | 'setHealthy'>;
  metrics: Pick<Metrics, 'consumerRestarts'>;
  clock: Pick<Clock, 'sleep'>;
  log: Pick<Log, 'error' | 'info'>;
}

export interface ConsumerWatchdogOptions {
  readonly consume: ConsumeOptions;
  /** How long media in hand may go on when the consumer is opened anew. */
  readonly graceMs: number;
  /** Default 60,000. Real time: it is about connections. */
  readonly quietMs?: number;
  /** Default 10,000. */
  readonly everyMs?: number;
}

export interface ConsumerWatchdog {
  /** Until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** As {@link Consumer.close}. */
  close(graceMs: number): Promise<void>;
}

/** Where so many in a row did not help, the process itself is to be restarted. */
export const RESTARTS = 3;

/** A job that stands first and is not taken, and since when. */
export interface UntakenJob {
  readonly jobId: string;
  readonly sinceMs: number;
}

/**
 * What one look adds to those before it. A worker whose places are all taken by long downloads takes none, and need
 * not; one that begins anything works; and where the first job changes, somebody does.
 */
export function decideUntakenJob(
  before: UntakenJob | undefined,
  seen: { first: string | undefined; hasBegun: boolean; isFull: boolean },
  nowMs: number,
): UntakenJob | undefined {
  if (seen.first === undefined || seen.hasBegun || seen.isFull) return undefined;
  return before?.jobId === seen.first ? before : { jobId: seen.first, sinceMs: nowMs };
}

/** Opens a consumer and watches it. */
export async function openConsumerWatchdog(
  deps: ConsumerWatchdogDeps,
  handler: JobHandler,
  options: ConsumerWatchdogOptions,
): Promise<ConsumerWatchdog> {
  const { queue, health, log } = deps;
  const { quietMs = 60_000, everyMs = 10_000, graceMs } = options;
  let inHand = 0;
  let begun = 0;
  let restarts = 0;
  let isClosed = false;
  let standing: UntakenJob | undefined;

  const counted: JobHandler = async (job, signal) => {
    inHand++;
    begun++;
    if (restarts > 0) {
      log.info({ restarts }, 'the consumer works again');
      restarts = 0;
      health.setHealthy('worker_quiet');
    }
    try {
      return await handler(job, signal);
    } finally {
      inHand--;
    }
  };
  const open = () => queue.consume(counted, options.consume);
  let consumer = await open();
  health.setHealthy('consumer_closed');

  async function restart(): Promise<void> {
    restarts++;
    deps.metrics.consumerRestarts.inc();
    log.error(
      { jobId: standing?.jobId, restarts },
      'the consumer takes no media although some wait: opening it anew',
    );
    health.setUnhealthy('worker_quiet', { count: restarts, isFatal: restarts > RESTARTS });
    standing = undefined;
    await consumer.close(graceMs);
    if (isClosed) return;
    consumer = await open();
    if (isClosed) await consumer.close(0);
  }

  async function look(before: number, signal: AbortSignal): Promise<void> {
    const first = await queue.firstWaiting(signal);
    const isFull = inHand >= options.consume.concurrency;
    standing = decideUntakenJob(standing, { first, hasBegun: begun !== before, isFull }, performance.now());
    if (standing && performance.now() - standing.sinceMs >= quietMs) await restart();
  }

  return {
    run: async (signal) => {
      while (!signal.aborted) {
        const before = begun;
        await deps.clock.sleep(everyMs, signal).catch(() => undefined);
        if (signal.aborted) return;
        await look(before, signal).catch(() => {
          // The queue is away: nobody can take anything, and a new consumer could not either.
          standing = undefined;
        });
      }
    },
    close: async (grace) => {
      isClosed = true;
      await consumer.close(grace);
    },
  };
}
