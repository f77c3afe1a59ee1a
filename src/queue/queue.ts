/** The queue between the feeder and the workers: a bounded working set, never the truth. */

import type { Reference } from '../media.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { BullBackend, QueueBackend } from './backend.ts';
import { type ConsumeOptions, type Consumer, createConsumer, type JobHandler } from './consumer.ts';
import { JOB_NAME, jobIdOf, toJobData } from './job.ts';
import { connectPostgres } from './postgres.ts';
import { createErrorReporter } from './redact-errors.ts';
import { connectRedis } from './redis.ts';
import { asRefusal } from './refusal.ts';
import { removeJobs } from './remove-jobs.ts';
import { endsWithin, keepStarting, within } from './timeouts.ts';

/** Jobs by state. `waiting` includes prioritized ones; finished ones as far as the backend keeps them. */
export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly completed: number;
  readonly failed: number;
}

export interface ArchiveQueue {
  /**
   * Adds all jobs in one round trip, first in first out. A job whose id (`{id}-{generation}`; `{id}` of a producer that
   * has no row) is known is left alone, finished ones too while they are kept, so adding again is safe. Fails after
   * 2 s; what was sent by then may still arrive, and adding again finds it there.
   */
  add(
    jobs: readonly { id: string; generation: number | undefined; reference: Reference }[],
    signal?: AbortSignal,
  ): Promise<void>;
  /** Of these job ids those that will never run (again): absent, completed or failed. Fails after 2 s per thousand. */
  lost(jobIds: readonly string[], signal?: AbortSignal): Promise<string[]>;
  /**
   * Of these job ids, whose jobs were added long ago, those that no worker will take although the queue knows them.
   * Asked less often than {@link lost}: it reads the lists of the queue. Fails after 5 s per thousand.
   */
  misplaced(jobIds: readonly string[], signal?: AbortSignal): Promise<string[]>;
  /**
   * Removes every job of these media, kept ones too. Answers the media that a worker has in hand; their jobs have
   * lost their data. Fails after 10 s; to be asked again then.
   */
  remove(media: readonly { id: string; generation: number }[], signal?: AbortSignal): Promise<string[]>;
  counts(signal?: AbortSignal): Promise<QueueCounts>;
  /**
   * Resolves where jobs can be added: it writes, since a Redis that is full or demoted goes on to answer reads. Rejects
   * after 2 s, or with {@link QueueRefusedError}.
   */
  probe(signal?: AbortSignal): Promise<void>;
  /** The job that is to be taken next: while it stays the same, nobody takes any. Undefined: none waits, or paused. */
  firstWaiting(signal?: AbortSignal): Promise<string | undefined>;
  /** Hands jobs to `handler` from now on; while the backend is away it waits for it by itself. */
  consume(handler: JobHandler, options: ConsumeOptions): Promise<Consumer>;
  /** Whether the queue is `owner`'s for the next `forMs`: nobody else has marked it, or the mark has lapsed. */
  mark(owner: string, forMs: number, signal?: AbortSignal): Promise<boolean>;
  /** What Bull Board's BullMQAdapter wants. */
  readonly board: unknown;
  /** Close consumers first. Leaves a pool open: it is its owner's. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 2_000;
const STATES = ['waiting', 'prioritized', 'active', 'delayed', 'completed', 'failed'] as const;
const PREPARE_RETRY_MS = 4_000;
const LOST_BATCH = 1_000;
const MISPLACED_MS = 5_000;
const REMOVE_MS = 10_000;

/**
 * Opens the queue. Redis may be away: the queue opens nevertheless, says so in the log, fails `add` quickly and heals
 * by itself. Postgres is waited for up to a minute; then BullMQ's schema is brought up to date. `isAway`: it is known
 * not to be there, and the queue opens as it does without Redis.
 */
export async function openArchiveQueue(
  backend: QueueBackend,
  { log, signal, isAway: isUnavailable = false }: { log: Log; signal?: AbortSignal; isAway?: boolean },
): Promise<ArchiveQueue> {
  const bull = backend.kind === 'redis' ? connectRedis(backend, log) : connectPostgres(backend, log);
  if (isUnavailable) void prepareUntilReady(bull, log, signal);
  else await bull.prepare(signal);
  const report = createErrorReporter(log);
  const queues = keepStarting(() => {
    const queue = bull.createQueue();
    queue.on('error', report);
    return queue;
  }, report);

  return {
    add: async (jobs, signal) => {
      if (jobs.length === 0) return;
      const entries = jobs.map(({ id, generation, reference }) => ({
        name: JOB_NAME,
        data: toJobData(reference),
        opts: { jobId: jobIdOf(id, generation) },
      }));
      await within('queue: add', TIMEOUT_MS, () => queues.current.addBulk(entries), signal);
    },

    lost: async (jobIds, signal) => {
      const lost: string[] = [];
      for (let start = 0; start < jobIds.length; start += LOST_BATCH) {
        const batch = jobIds.slice(start, start + LOST_BATCH);
        const alive = await within(
          'queue: lost',
          TIMEOUT_MS,
          () => bull.unfinished(queues.current, batch),
          signal,
        );
        lost.push(...batch.filter((jobId) => !alive.has(jobId)));
      }
      return lost;
    },

    misplaced: async (jobIds, signal) => {
      const found: string[] = [];
      for (let start = 0; start < jobIds.length; start += LOST_BATCH) {
        const batch = jobIds.slice(start, start + LOST_BATCH);
        const ask = () => bull.misplaced(queues.current, batch);
        found.push(...(await within('queue: misplaced', MISPLACED_MS, ask, signal)));
      }
      return found;
    },

    remove: async (media, signal) => {
      if (media.length === 0) return [];
      return await within('queue: forget', REMOVE_MS, () => removeJobs(bull, queues.current, media), signal);
    },

    counts: async (signal) => {
      const counts = await within(
        'queue: counts',
        TIMEOUT_MS,
        () => queues.current.getJobCounts(...STATES),
        signal,
      );
      const of = (state: string) => counts[state] ?? 0;
      return {
        waiting: of('waiting') + of('prioritized'),
        active: of('active'),
        delayed: of('delayed'),
        completed: of('completed'),
        failed: of('failed'),
      };
    },

    probe: async (signal) => {
      try {
        await within('queue: probe', TIMEOUT_MS, () => bull.probe(), signal);
      } catch (error) {
        throw asRefusal(error) ?? error;
      }
    },

    firstWaiting: async (signal) => {
      const ask = () => Promise.all([queues.current.getWaiting(0, 0), queues.current.isPaused()]);
      const [jobs, isPaused] = await within('queue: first', TIMEOUT_MS, ask, signal);
      return isPaused ? undefined : jobs[0]?.id;
    },

    consume: async (handler, options) => createConsumer(bull, handler, options, log),

    mark: async (owner, forMs, signal) =>
      !bull.mark || (await within('queue: mark', TIMEOUT_MS, () => bull.mark!(owner, forMs), signal)),

    get board() {
      return queues.current;
    },

    close: async () => {
      queues.stop();
      await endsWithin(TIMEOUT_MS, queues.current.close());
      bull.close();
    },
  };
}

/** In the background; until then the queue that is built every second fails at its start. */
async function prepareUntilReady(bull: BullBackend, log: Log, signal?: AbortSignal): Promise<void> {
  while (!signal?.aborted) {
    try {
      return await bull.prepare(signal);
    } catch (error) {
      if (signal?.aborted) return;
      log.error({ err: error }, 'queue: cannot be opened; tried again');
      await systemClock.sleep(PREPARE_RETRY_MS, signal).catch(() => undefined);
    }
  }
}
