/** Taking jobs out of the queue and turning what a handler decides into BullMQ's words. */
import type { Job } from 'bullmq';
import type { Reference } from '../media.ts';
import type { Log } from '../runtime/log.ts';
import type { BullBackend, ConsumerSettings } from './backend.ts';
import { JOB_OPTIONS, parseJob, rowOfJobId } from './job.ts';
import { applyJobResult, backoffStrategy, JobAbortedError, type JobResult } from './job-result.ts';
import { createErrorReporter } from './redact-errors.ts';
import { endsWithin, keepStarting } from './timeouts.ts';

/** One job in hand. `attempt` starts at 1 and counts tries that were spent, also by workers that are gone. */
export interface ArchiveJob {
  readonly jobId: string;
  /** The media's id as the job's data gives it. A foreign producer may have written an account's name there. */
  readonly id: string;
  /** Undefined for jobs of foreign producers. */
  readonly generation: number | undefined;
  readonly reference: Reference;
  readonly attempt: number;
  /** A worker had it in hand before, and died. */
  readonly wasStalled?: boolean;
}

/** Aborted with a {@link JobAbortedError}, it should throw or return soon; what it returns then is honoured where it can be. */
export type JobHandler = (job: ArchiveJob, signal: AbortSignal) => Promise<JobResult>;

export interface ConsumeOptions {
  /** Jobs at once. */
  readonly concurrency: number;
  /** How long a job stays ours without being renewed; renewed at half of it. */
  readonly lockDurationMs?: number;
  /** How often jobs of dead workers are looked for; they come back after one to two of these. */
  readonly stalledIntervalMs?: number;
  /** After a handler failed unexpectedly. */
  readonly internalRetryMs?: number;
  /** A job of a row that cannot be read: it fails for good, and the row has to learn that an attempt was spent. */
  readonly onInvalidJob?: (row: { id: string; generation: number }, reason: string) => Promise<void>;
  /** How long a handler may go on after its signal was aborted, before the job is put back without it. */
  readonly abortMs?: number;
}

export interface Consumer {
  /**
   * Takes no more jobs, waits `graceMs` for those in hand, aborts the rest and puts them back without spending an
   * attempt. Ends within graceMs + abortMs + 3 s, whatever the backend does.
   */
  close(graceMs: number): Promise<void>;
  /** When a job was last handed to the handler. */
  readonly lastStartedAt: Date | undefined;
}

const CLOSE_MS = 3_000;

export function createConsumer(
  bull: BullBackend,
  handler: JobHandler,
  options: ConsumeOptions,
  log: Log,
): Consumer {
  const { lockDurationMs = 30_000, stalledIntervalMs = 30_000, abortMs = 5_000 } = options;
  const report = createErrorReporter(log);
  const running = new Map<string, AbortController>();
  let isShutDown = false;
  let lastStartedAt: Date | undefined;
  let closing: Promise<void> | undefined;
  let notifyIdle = () => {};

  const settings: ConsumerSettings = {
    concurrency: options.concurrency,
    lockDuration: lockDurationMs,
    stalledInterval: stalledIntervalMs,
    // The default, 1, fails a job whose worker died twice: two deployments within an hour. Each death costs a minute.
    maxStalledCount: 8,
    // After a failed fetch (default 15 s).
    runRetryDelay: 1_000,
    settings: { backoffStrategy },
  };

  /** Runs one job to its end. BullMQ's own signal is not used: it is aborted by nothing but a call of ours. */
  async function run(job: Job, token: string): Promise<string> {
    // A foreign producer's options must not decide how often a job is tried, or how long it is kept.
    Object.assign(job.opts, JOB_OPTIONS, bull.jobOptions);
    const jobId = String(job.id);
    const controller = new AbortController();
    // The same job twice in one process: the first run has lost its lock and does not know it yet.
    running.get(jobId)?.abort(new JobAbortedError('lockLost'));
    running.set(jobId, controller);
    const { signal } = controller;
    // Fetched while the consumer was closing.
    if (isShutDown) controller.abort(new JobAbortedError('shutdown'));
    try {
      return await applyJobResult(job, token, {
        handle: () => decide(job, jobId, signal),
        signal,
        log,
        report,
        internalRetryMs: options.internalRetryMs,
      });
    } finally {
      if (running.get(jobId) === controller) running.delete(jobId);
      if (running.size === 0) notifyIdle();
    }
  }

  async function decide(
    job: Job,
    jobId: string,
    signal: AbortSignal,
  ): Promise<JobResult | { invalid: string }> {
    signal.throwIfAborted();
    const parsed = parseJob({ id: jobId, name: job.name, data: job.data });
    if ('invalid' in parsed) {
      const row = rowOfJobId(jobId);
      if (row) await options.onInvalidJob?.(row, parsed.invalid);
      return parsed;
    }
    lastStartedAt = new Date();
    const running = handler(
      { jobId, ...parsed, attempt: job.attemptsMade + 1, wasStalled: job.stalledCounter > 0 },
      signal,
    );
    return await untilAbandoned(running, signal, abortMs);
  }

  const connections: { disconnect(): void }[] = [];
  const workers = keepStarting(() => {
    const { worker, disconnect } = bull.createWorker((job, token) => run(job, token ?? ''), settings);
    connections.push({ disconnect });
    worker.on('error', report);
    worker.on('stalled', (jobId) => log.info({ jobId }, 'queue: took over a job whose worker is gone'));
    // BullMQ only tells. Whoever holds the job now must not meet our upload.
    worker.on('lockRenewalFailed', (jobIds) => {
      for (const jobId of jobIds) running.get(jobId)?.abort(new JobAbortedError('lockLost'));
    });
    return worker;
  }, report);

  async function close(graceMs: number): Promise<void> {
    workers.stop();
    const closed = workers.current.close();
    closed.catch(report);
    const idle = new Promise<void>((resolve) => {
      notifyIdle = resolve;
      if (running.size === 0) resolve();
    });
    await endsWithin(graceMs, idle);
    isShutDown = true;
    for (const controller of running.values()) controller.abort(new JobAbortedError('shutdown'));
    await endsWithin(abortMs, idle);
    if (!(await endsWithin(CLOSE_MS, closed))) {
      log.warn('queue: the backend does not answer; jobs in hand will be taken over as stalled');
    }
    for (const connection of connections) connection.disconnect();
  }

  return {
    close: (graceMs) => {
      closing ??= close(graceMs);
      return closing;
    },
    get lastStartedAt() {
      return lastStartedAt;
    },
  };
}

/**
 * The handler's answer, or the abort's reason if the handler does not heed its signal for `abortMs`. No controller of
 * its own: aborting one at the end of each job, for nothing but its listeners, was 3 % of a media's CPU.
 */
function untilAbandoned<T>(running: Promise<T>, signal: AbortSignal, abortMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const start = () => {
      timer = setTimeout(() => reject(signal.reason), abortMs);
    };
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', start);
    };
    signal.addEventListener('abort', start, { once: true });
    running.finally(end).then(resolve, reject);
  });
}
