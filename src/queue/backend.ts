/** Where BullMQ keeps its jobs. Everything above this file is written once for all backends. */

import type { SecureContext } from 'node:tls';
import type { IQueueBackend, JobsOptions, JobType, Processor, WorkerOptions } from 'bullmq';
import type { Pool } from 'pg';
import type { JobData } from './job.ts';

/** A pg.Pool, or what looks like one. Its `search_path` must begin with BullMQ's schema; see {@link QUEUE_POOL_OPTIONS}. */
export type QueuePool = Pick<Pool, 'connect' | 'query' | 'on' | 'options'>;

/**
 * `prefix` keeps installations apart that share a backend. In Redis it starts every key and should be in braces, so
 * that its keys have one slot; on Postgres, where BullMQ knows no prefix, it names the queue.
 */
export type QueueBackend =
  | {
      readonly kind: 'redis';
      readonly url: string;
      readonly prefix: string;
      /** With the authorities of REDIS_CA_FILE. */
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
 * Options for the pool given to a `postgres` backend. The queue wants a small pool of its own on a real server: a
 * slow list of the catalogue must not hold up the statement that renews a lock, for a lost lock aborts a download.
 * BullMQ's statements name their tables without a schema, hence the search_path. Each consumer keeps one client
 * checked out for LISTEN (so at least 2; no PgBouncer in transaction mode); keepAlive lets it notice a dead line.
 * The embedded database is one session: there one pool serves both, and our own SQL names its schema.
 */
export const QUEUE_POOL_OPTIONS = {
  options: '-c search_path=bullmq,public',
  max: 6,
  keepAlive: true,
  connectionTimeoutMillis: 5_000,
  query_timeout: 10_000,
} as const;

/** How long finished jobs are kept is the backend's: to be looked at, and no longer. The row is the record. */
export type ConsumerSettings = Omit<
  WorkerOptions,
  'connection' | 'prefix' | 'removeOnComplete' | 'removeOnFail'
>;

/** What is used of BullMQ's classes; as a whole their types differ by backend. */
export interface BullQueue {
  addBulk(jobs: { name: string; data: JobData; opts: JobsOptions }[]): Promise<unknown>;
  getJobCounts(...states: JobType[]): Promise<Record<string, number>>;
  getBackend(): Pick<IQueueBackend, 'isFinished' | 'getState'>;
  getWaiting(start: number, end: number): Promise<{ readonly id?: string | undefined }[]>;
  isPaused(): Promise<boolean>;
  /** 0: a worker has it in hand, or it is not there. */
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
  /** Before the first Queue is built. Redis: waits shortly, never fails. Postgres: waits longer, migrates, may fail. */
  prepare(signal?: AbortSignal): Promise<void>;
  createQueue(): BullQueue;
  /** What holds for every job here, whatever its producer wished. */
  readonly jobOptions: Pick<JobsOptions, 'removeOnComplete'>;
  /** `disconnect` cuts the worker's own connections when it does not close by itself. */
  createWorker(processor: Processor, settings: ConsumerSettings): { worker: BullWorker; disconnect(): void };
  /** Of these job ids those that are known and not finished: waiting, active, delayed, prioritized. */
  unfinished(queue: BullQueue, jobIds: readonly string[]): Promise<Set<string>>;
  /**
   * Of these job ids those that no worker will take although the queue knows them: in no list, delayed for longer than
   * this program ever delays, or locked until a time that only a wrong clock can have written.
   */
  misplaced(queue: BullQueue, jobIds: readonly string[]): Promise<string[]>;
  /** Of these job ids those that the queue holds, in whatever state. */
  existing(queue: BullQueue, jobIds: readonly string[]): Promise<string[]>;
  /** See {@link ArchiveQueue.mark}; absent where a queue cannot be another catalogue's. */
  mark?(owner: string, forMs: number): Promise<boolean>;
  /** A write that changes nothing. Fails where jobs could not be added. */
  probe(): Promise<unknown>;
  close(): void;
}
