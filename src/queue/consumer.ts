/** Takes jobs from the queue, hands them to a handler, and closes without losing one. */
import type { Job } from 'bullmq';
import type { Reference } from '../media.ts';
import { settledWithin } from '../runtime/timeout.ts';
import type { BullBackend, ConsumerSettings, QueueLog } from './backend.ts';
import { JOB_OPTIONS, parseJob, rowOfJobId } from './job.ts';
import { applyJobResult, backoffStrategy, JobAbortedError, type JobResult } from './job-result.ts';
import { keepStarting } from './keep-starting.ts';
import { createErrorReporter } from './redact-errors.ts';

/** An active job. `attempt` starts at 1 and includes the counted attempts of dead workers. */
export interface ArchiveJob {
  readonly jobId: string;
  /** The item's id, made of the job's data. A foreign producer may have put an account's name there. */
  readonly id: string;
  /** Undefined for jobs of foreign producers. */
  readonly generation: number | undefined;
  readonly reference: Reference;
  readonly attempt: number;
  /** A worker that ran the job before has died. */
  readonly wasStalled?: boolean;
}

/** Once aborted with a {@link JobAbortedError}, it should end soon; its result is then applied where that is possible. */
export type JobHandler = (job: ArchiveJob, signal: AbortSignal) => Promise<JobResult>;

export interface ConsumeOptions {
  /** Jobs that run at once. */
  readonly concurrency: number;
  /** How long the lock of a job lasts without renewal; it is renewed after half of that. Default 30,000. */
  readonly lockDurationMs?: number;
  /** How often stalled jobs are looked for; the jobs of a dead worker run again after one to two of these. Default 30,000. */
  readonly stalledIntervalMs?: number;
  /** The wait after an unexpected error of the handler. Default 5,000. */
  readonly internalRetryMs?: number;
  /** Called for an invalid job of a row: the job fails for good, and the row has to record an attempt. */
  readonly onInvalidJob?: (row: { id: string; generation: number }, reason: string) => Promise<void>;
  /** How long a handler may go on after its signal was aborted, before its job is requeued without it. Default 5,000. */
  readonly abortMs?: number;
}

export interface Consumer {
  /**
   * Takes no more jobs, waits `graceMs` for the active ones, aborts the rest and requeues them without counting an
   * attempt. Resolves within graceMs + abortMs + 3 s, whatever the backend does.
   */
  close(graceMs: number): Promise<void>;
}

const CLOSE_MS = 3_000;

export function createConsumer(
  bull: BullBackend,
  handler: JobHandler,
  options: ConsumeOptions,
  log: QueueLog,
): Consumer {
  const { lockDurationMs = 30_000, stalledIntervalMs = 30_000, abortMs = 5_000 } = options;
  const report = createErrorReporter(log);
  const running = new Map<string, AbortController>();
  let isShutDown = false;
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

  /** Runs one job to its end. BullMQ's own signal is not used: only a call of ours would abort it. */
  async function run(job: Job, token: string): Promise<string> {
    // A foreign producer's options must not decide how often a job is attempted, or how long it is kept.
    Object.assign(job.opts, JOB_OPTIONS, bull.jobOptions);
    const jobId = String(job.id);
    const controller = new AbortController();
    // The same job twice in one process: the first run has lost its lock without a notice so far.
    running.get(jobId)?.abort(new JobAbortedError('lockLost'));
    running.set(jobId, controller);
    const { signal } = controller;
    // Fetched while the consumer was closing.
    if (isShutDown) controller.abort(new JobAbortedError('shutdown'));
    try {
      return await applyJobResult(job, token, {
        handle: () => handle(job, jobId, signal),
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

  async function handle(
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
    const result = handler(
      { jobId, ...parsed, attempt: job.attemptsMade + 1, wasStalled: job.stalledCounter > 0 },
      signal,
    );
    return await untilAbandoned(result, signal, abortMs);
  }

  const connections: { disconnect(): void }[] = [];
  const workers = keepStarting(() => {
    const { worker, disconnect } = bull.createWorker((job, token) => run(job, token ?? ''), settings);
    connections.push({ disconnect });
    worker.on('error', report);
    worker.on('stalled', (jobId) => log.info({ jobId }, 'queue: stalled job taken over'));
    // BullMQ only reports it. The worker that holds the job now must not meet an upload of this one.
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
    await settledWithin(idle, graceMs);
    isShutDown = true;
    for (const controller of running.values()) controller.abort(new JobAbortedError('shutdown'));
    await settledWithin(idle, abortMs);
    if (!(await settledWithin(closed, CLOSE_MS))) {
      log.warn('queue: no response from the backend, running jobs will be taken over as stalled');
    }
    for (const connection of connections) connection.disconnect();
  }

  return {
    close: (graceMs) => {
      closing ??= close(graceMs);
      return closing;
    },
  };
}

/**
 * Resolves with the handler's result; rejects with the abort's reason where the handler goes on for `abortMs` after its
 * signal was aborted. It has no controller of its own: aborting one at the end of each job, only to remove its
 * listeners, was 3 % of the CPU of a media item.
 */
function untilAbandoned<T>(result: Promise<T>, signal: AbortSignal, abortMs: number): Promise<T> {
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
    result.finally(end).then(resolve, reject);
  });
}
