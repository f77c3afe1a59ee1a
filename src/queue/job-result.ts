/** What a handler decides about its job, and how BullMQ is made to do it: what is returned, thrown and moved. */
import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { Failure } from '../failures.ts';
import type { QueueLog } from './backend.ts';
import { failureText, queueText } from './redact-errors.ts';

/**
 * What becomes of a job. `retry` counts an attempt, `requeue` does not; delays are in milliseconds.
 * `removeOnComplete`: the queue keeps nothing of the job, because its media item may be erased.
 */
export type JobResult =
  | { readonly action: 'finish'; readonly result: string; readonly removeOnComplete?: true }
  | { readonly action: 'retry'; readonly delayMs: number; readonly failure: Failure }
  | { readonly action: 'fail'; readonly failure: Failure }
  | { readonly action: 'requeue'; readonly delayMs: number };

const MAX_INTERNAL_ERRORS = 5;
const INTERNAL_RETRY_MS = 5_000;
const MAX_DELAY_MS = 30 * 24 * 3_600_000;

/** Why a running job was aborted: the process closes, or another worker may hold the job by now. */
export class JobAbortedError extends Error {
  override readonly name = 'JobAbortedError';
  readonly reason: 'shutdown' | 'lockLost';
  constructor(reason: 'shutdown' | 'lockLost') {
    super(reason);
    this.reason = reason;
  }
}

/** Thrown to BullMQ to count an attempt; carries the delay of our policy to {@link backoffStrategy}. */
class RetryError extends Error {
  override readonly name = 'RetryError';
  readonly delayMs: number;
  constructor(message: string, delayMs: number) {
    super(message);
    this.delayMs = delayMs;
  }
}

/**
 * Returns the wait before the next attempt, in milliseconds, when BullMQ asks for it. An error of another kind is the
 * backend's, which failed while it recorded the end of the job: the job runs again, for its end may not be recorded.
 */
export function backoffStrategy(
  _attempts: number,
  _type: string | undefined,
  error: Error | undefined,
): number {
  return error instanceof RetryError ? error.delayMs : INTERNAL_RETRY_MS;
}

export interface JobRun {
  handle(): Promise<JobResult | { invalid: string }>;
  /** Aborted with a {@link JobAbortedError}. */
  readonly signal: AbortSignal;
  readonly log: QueueLog;
  readonly report: (error: unknown) => void;
  /** Before a job runs again whose handler failed unexpectedly. */
  readonly internalRetryMs?: number | undefined;
}

/** Runs the handler and applies its result. Returns what BullMQ keeps as result, or throws what BullMQ acts on. */
export async function applyJobResult(job: Job, token: string, run: JobRun): Promise<string> {
  const { signal, log } = run;
  let decided: JobResult | { invalid: string };
  try {
    decided = await run.handle();
  } catch (error) {
    if (signal.aborted) return await endAborted(job, token, run);
    return await handleUnexpectedError(job, error, run);
  }
  if (signal.aborted && signal.reason instanceof JobAbortedError && signal.reason.reason === 'lockLost') {
    return await endAborted(job, token, run);
  }
  if ('invalid' in decided) {
    log.warn({ jobId: job.id, reason: queueText(decided.invalid) }, 'queue: invalid job refused');
    throw new UnrecoverableError(queueText(decided.invalid));
  }
  switch (decided.action) {
    case 'finish':
      if (decided.removeOnComplete) job.opts.removeOnComplete = true;
      return queueText(decided.result);
    case 'fail':
      throw new UnrecoverableError(failureText(decided.failure));
    case 'requeue':
      return await requeue(job, token, decided.delayMs, run);
    case 'retry':
      // An attempt that the closing process cut off proves nothing about the media item: it is not counted.
      if (signal.aborted) return await endAborted(job, token, run);
      throw new RetryError(failureText(decided.failure), boundedDelay(decided.delayMs));
  }
}

/** At least 1: BullMQ puts a retry without delay before everything that waits. */
function boundedDelay(delayMs: number): number {
  return Number.isFinite(delayMs) ? Math.min(Math.max(Math.round(delayMs), 1), MAX_DELAY_MS) : MAX_DELAY_MS;
}

/** Requeues an aborted job if it is still this worker's, else leaves it alone. */
async function endAborted(job: Job, token: string, run: JobRun): Promise<never> {
  const { reason } = run.signal;
  if (reason instanceof JobAbortedError && reason.reason === 'shutdown')
    return await requeue(job, token, 0, run);
  run.log.warn({ jobId: job.id }, 'queue: lost the lock of a job, its run is aborted');
  throw new WaitingError(); // To BullMQ: this worker is done with the job and changes nothing of it.
}

async function requeue(job: Job, token: string, delayMs: number, { report }: JobRun): Promise<never> {
  try {
    if (delayMs > 0) await job.moveToDelayed(Date.now() + boundedDelay(delayMs), token);
    else await job.moveToWait(token);
  } catch (error) {
    // The job is another worker's, or the backend is unavailable: then it is retaken as stalled, with this attempt.
    report(error);
  }
  throw delayMs > 0 ? new DelayedError() : new WaitingError();
}

/**
 * A handler that throws has a bug, or its catalogue is unavailable: the job runs again soon, a few times. The count is
 * kept as the job's progress, because BullMQ's count of attempts includes those that failed in an orderly way.
 */
async function handleUnexpectedError(job: Job, error: unknown, run: JobRun): Promise<never> {
  const count = internalErrorsOf(job) + 1;
  const message = queueText(`internal: ${error instanceof Error ? error.message : String(error)}`);
  run.log.error({ jobId: job.id, err: error, count }, 'queue: unexpected error in the handler of a job');
  if (count >= MAX_INTERNAL_ERRORS) throw new UnrecoverableError(message);
  await job.updateProgress({ internalErrors: count }).catch(run.report);
  throw new RetryError(message, run.internalRetryMs ?? INTERNAL_RETRY_MS);
}

function internalErrorsOf(job: Job): number {
  const { internalErrors } = Object(job.progress) as { internalErrors?: unknown };
  return typeof internalErrors === 'number' ? internalErrors : 0;
}
