/** The queue between the dispatcher and the workers: a bounded working set, which can be rebuilt from the rows. */

import type { Reference } from '../media.ts';
import { createPollLoop, type PollLoopDeps } from '../runtime/poll-loop.ts';
import { settledWithin, withTimeout } from '../runtime/timeout.ts';
import type { BullBackend, QueueBackend, QueueLog } from './backend.ts';
import { type ConsumeOptions, type Consumer, createConsumer, type JobHandler } from './consumer.ts';
import { JOB_NAME, jobIdOf, toJobData } from './job.ts';
import { keepStarting } from './keep-starting.ts';
import { connectPostgres } from './postgres.ts';
import { createErrorReporter } from './redact-errors.ts';
import { connectRedis } from './redis.ts';
import { asRefusal } from './refusal.ts';
import { removeJobs } from './remove-jobs.ts';

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
   * Adds all jobs in one round trip, first in first out. Idempotent: a job whose id (`{id}-{generation}`; `{id}` of a
   * foreign producer) exists is left alone, also a finished one while it is kept. Rejects after 2 s; what was sent by
   * then may still arrive.
   */
  add(
    jobs: readonly { id: string; generation: number | undefined; reference: Reference }[],
    signal?: AbortSignal,
  ): Promise<void>;
  /** Returns those of the job ids that will not run again: absent, completed or failed. Rejects after 2 s per thousand. */
  lost(jobIds: readonly string[], signal?: AbortSignal): Promise<string[]>;
  /**
   * Returns those of the job ids, added long ago, that no worker will take although their jobs exist. To be called less
   * often than {@link lost}: it reads the lists of the queue. Rejects after 5 s per thousand.
   */
  misplaced(jobIds: readonly string[], signal?: AbortSignal): Promise<string[]>;
  /**
   * Removes every job of these media items, kept ones too. Returns the ids of the items whose jobs are active: those
   * have only lost their data. Rejects after 10 s, and is then to be called again.
   */
  remove(media: readonly { id: string; generation: number }[], signal?: AbortSignal): Promise<string[]>;
  counts(signal?: AbortSignal): Promise<QueueCounts>;
  /**
   * Resolves where jobs can be added. It writes, since a Redis that is full or demoted still serves reads. Rejects after
   * 2 s, or with {@link QueueRefusedError}.
   */
  probe(signal?: AbortSignal): Promise<void>;
  /** Returns the job that is taken next; while it stays the same, no worker takes any. Undefined: none waits, or paused. */
  firstWaiting(signal?: AbortSignal): Promise<string | undefined>;
  /** Hands jobs to `handler` from now on; while the backend is unavailable, the consumer waits for it. */
  consume(handler: JobHandler, options: ConsumeOptions): Promise<Consumer>;
  /** Marks the queue as `owner`'s for `forMs`. False where it has the mark of another owner, which has not expired. */
  mark(owner: string, forMs: number, signal?: AbortSignal): Promise<boolean>;
  /** For Bull Board's BullMQAdapter. */
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

export interface OpenQueueOptions {
  readonly log: QueueLog;
  readonly signal?: AbortSignal;
  /** The backend is known to be unavailable: the queue opens at once and is prepared in the background. */
  readonly unavailable?: Pick<PollLoopDeps, 'metrics'>;
}

/**
 * Opens the queue. While Redis is unavailable, the queue opens nevertheless, logs it, rejects `add` quickly and recovers
 * when Redis is back. Postgres is waited for up to a minute; then BullMQ's schema is brought up to date.
 */
export async function openArchiveQueue(
  backend: QueueBackend,
  { log, signal, unavailable }: OpenQueueOptions,
): Promise<ArchiveQueue> {
  const bull = backend.kind === 'redis' ? connectRedis(backend, log) : connectPostgres(backend, log);
  if (unavailable) void prepareUntilReady(bull, { log, ...unavailable }, signal);
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
      await withTimeout(() => queues.current.addBulk(entries), TIMEOUT_MS, 'queue: add', signal);
    },

    lost: async (jobIds, signal) => {
      const lost: string[] = [];
      for (let start = 0; start < jobIds.length; start += LOST_BATCH) {
        const batch = jobIds.slice(start, start + LOST_BATCH);
        const alive = await withTimeout(
          () => bull.unfinished(queues.current, batch),
          TIMEOUT_MS,
          'queue: lost',
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
        found.push(...(await withTimeout(ask, MISPLACED_MS, 'queue: misplaced', signal)));
      }
      return found;
    },

    remove: async (media, signal) => {
      if (media.length === 0) return [];
      return await withTimeout(
        () => removeJobs(bull, queues.current, media),
        REMOVE_MS,
        'queue: remove',
        signal,
      );
    },

    counts: async (signal) => {
      const counts = await withTimeout(
        () => queues.current.getJobCounts(...STATES),
        TIMEOUT_MS,
        'queue: counts',
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
        await withTimeout(() => bull.probe(), TIMEOUT_MS, 'queue: probe', signal);
      } catch (error) {
        throw asRefusal(error) ?? error;
      }
    },

    firstWaiting: async (signal) => {
      const ask = () => Promise.all([queues.current.getWaiting(0, 0), queues.current.isPaused()]);
      const [jobs, isPaused] = await withTimeout(ask, TIMEOUT_MS, 'queue: first', signal);
      return isPaused ? undefined : jobs[0]?.id;
    },

    consume: async (handler, options) => createConsumer(bull, handler, options, log),

    mark: async (owner, forMs, signal) =>
      !bull.mark || (await withTimeout(() => bull.mark!(owner, forMs), TIMEOUT_MS, 'queue: mark', signal)),

    get board() {
      return queues.current;
    },

    close: async () => {
      queues.stop();
      await settledWithin(queues.current.close(), TIMEOUT_MS);
      bull.close();
    },
  };
}

/** In the background. Until it has succeeded, every Queue that is built fails at its start. */
async function prepareUntilReady(
  bull: BullBackend,
  { log, metrics }: PollLoopDeps,
  signal?: AbortSignal,
): Promise<void> {
  const ready = new AbortController();
  const loop = createPollLoop({
    name: 'queue-open',
    everyMs: PREPARE_RETRY_MS,
    work: async () => {
      await bull.prepare(signal);
      ready.abort();
    },
    log,
    metrics,
  });
  await loop.run(signal ? AbortSignal.any([signal, ready.signal]) : ready.signal);
}
