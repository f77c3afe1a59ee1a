/** Where BullMQ keeps its jobs: what redis.ts and postgres.ts implement, and the rest of the queue uses. */
import type { SecureContext } from 'node:tls';
import type { IQueueBackend, JobsOptions, JobType, Processor, WorkerOptions } from 'bullmq';
import type { Pool } from 'pg';
import type { Log } from '../runtime/log.ts';
import type { JobData } from './job.ts';

/** What the queue needs of a log. The producer passes one that writes nothing. */
export type QueueLog = Pick<Log, 'info' | 'warn' | 'error'>;

/** A pg.Pool, or an object of the same shape. Its `search_path` must begin with BullMQ's schema; see {@link QUEUE_POOL_OPTIONS}. */
export type QueuePool = Pick<Pool, 'connect' | 'query' | 'on' | 'options'>;

/**
 * `prefix` separates installations that share a backend. In Redis it starts every key and should be in braces, so that
 * all keys have one slot; on Postgres, where BullMQ has no prefix, it names the queue.
 */
export type QueueBackend =
  | {
      readonly kind: 'redis';
      readonly url: string;
      readonly prefix: string;
      /** With the certificate authorities of REDIS_CA_FILE. */
      readonly secureContext?: SecureContext | undefined;
    }
  | {
      readonly kind: 'postgres';
      readonly pool: QueuePool;
      readonly prefix: string;
      /** BullMQ's schema, first on the pool's search_path; default `bullmq`. */
      readonly schema?: string;
    };

/**
 * Options for the pool of a `postgres` backend. On a real server the queue has a small pool of its own: a slow list of
 * the catalogue must not delay the statement that renews a lock, for a lost lock aborts a download. BullMQ's
 * statements name their tables without a schema, hence the search_path. Each consumer keeps one client checked out for
 * LISTEN (so at least 2; no PgBouncer in transaction mode); with keepAlive it notices a dead connection. The embedded
 * database is one session: there one pool serves both, and our own SQL names its schema.
 */
export const QUEUE_POOL_OPTIONS = {
  options: '-c search_path=bullmq,public',
  max: 6,
  keepAlive: true,
  connectionTimeoutMillis: 5_000,
  query_timeout: 10_000,
} as const;

/** Finished jobs are kept only to be looked at, and for how long depends on the backend. The row is the record. */
export type ConsumerSettings = Omit<
  WorkerOptions,
  'connection' | 'prefix' | 'removeOnComplete' | 'removeOnFail'
>;

/** What is used of BullMQ's Queue; as a whole its type differs by backend. */
export interface BullQueue {
  addBulk(jobs: { name: string; data: JobData; opts: JobsOptions }[]): Promise<unknown>;
  getJobCounts(...states: JobType[]): Promise<Record<string, number>>;
  getBackend(): Pick<IQueueBackend, 'isFinished' | 'getState'>;
  getWaiting(start: number, end: number): Promise<{ readonly id?: string | undefined }[]>;
  isPaused(): Promise<boolean>;
  /** Resolves with 0 where the job is active or absent. */
  remove(jobId: string, options: { removeChildren: boolean }): Promise<number>;
  getJob(jobId: string): Promise<{ updateData(data: unknown): Promise<void> } | undefined>;
  waitUntilReady(): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}
export interface BullWorker {
  waitUntilReady(): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'stalled', listener: (jobId: string) => void): unknown;
  on(event: 'lockRenewalFailed', listener: (jobIds: string[]) => void): unknown;
  close(): Promise<void>;
}

/** BullMQ bound to one backend. */
export interface BullBackend {
  /** Called before the first Queue is built. Redis: waits shortly, never rejects. Postgres: waits longer, migrates, may reject. */
  prepare(signal?: AbortSignal): Promise<void>;
  createQueue(): BullQueue;
  /** Overrides the options of every job, whatever its producer chose. */
  readonly jobOptions: Pick<JobsOptions, 'removeOnComplete'>;
  /** `disconnect` ends the worker's own connections, where its close does not. */
  createWorker(processor: Processor, settings: ConsumerSettings): { worker: BullWorker; disconnect(): void };
  /** Returns those of the job ids whose jobs exist and are not finished: waiting, active, delayed, prioritized. */
  unfinished(queue: BullQueue, jobIds: readonly string[]): Promise<Set<string>>;
  /**
   * Returns those of the job ids that no worker will take although their jobs exist: in no list, delayed for longer than
   * this program ever delays, or locked until a time that only a wrong clock can have written.
   */
  misplaced(queue: BullQueue, jobIds: readonly string[]): Promise<string[]>;
  /** Returns those of the job ids whose jobs exist, in any state. */
  existing(queue: BullQueue, jobIds: readonly string[]): Promise<string[]>;
  /** See {@link ArchiveQueue.mark}; absent where a queue cannot be another catalogue's. */
  mark?(owner: string, forMs: number): Promise<boolean>;
  /** Writes without a change. Rejects where jobs could not be added. */
  probe(): Promise<unknown>;
  close(): void;
}
