/** A disposition in BullMQ's words: what it returns, throws and moves. */
import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { Failure } from '../failures.ts';
import type { Log } from '../runtime/log.ts';
import { failureText, storableText } from './redact-errors.ts';

/**
 * What becomes of a job. `retry` spends an attempt, `requeue` does not. Delays in milliseconds. `removeOnComplete`: the queue
 * keeps nothing of it, because its media may be erased.
 */
export type JobResult =
  | { readonly action: 'finish'; readonly result: string; readonly removeOnComplete?: true }
  | { readonly action: 'retry'; readonly delayMs: number; readonly failure: Failure }
  | { readonly action: 'fail'; readonly failure: Failure }
  | { readonly action: 'requeue'; readonly delayMs: number };

const MAX_INTERNAL_ERRORS = 5;
const INTERNAL_RETRY_MS = 5_000;
const MAX_DELAY_MS = 30 * 24 * 3_600_000;

/** Why a running job was stopped: the process closes, or another worker may hold the job by now. */
export class JobAbortedError extends Error {
  override readonly name = 'JobAborted';
  readonly reason: 'shutdown' | 'lockLost';
  constructor(why: 'shutdown' | 'lockLost') {
    super(why);
    this.reason = why;
  }
}

/** Thrown to BullMQ to spend an attempt; carries the delay our policy chose to {@link backoffStrategy}. */
class RetryError extends Error {
  override readonly name = 'RetryLater';
  readonly delayMs: number;
  constructor(message: string, delayMs: number) {
    super(message);
    this.delayMs = delayMs;
  }
}

/**
 * BullMQ asks how long to wait. An error that is not ours is the backend's, which broke off while it recorded how the
 * job ended: the job is run again, for nobody knows what became of the record.
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
  readonly log: Log;
  readonly report: (error: unknown) => void;
  /** Before a job is run again whose handler failed unexpectedly. */
  readonly internalRetryMs?: number | undefined;
}

/** Brings a job to the end its handler decides. Returns what BullMQ keeps as result, or throws what it understands. */
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
    log.warn({ jobId: job.id, reason: storableText(decided.invalid) }, 'queue: refused a job');
    throw new UnrecoverableError(storableText(decided.invalid));
  }
  switch (decided.action) {
    case 'finish':
      if (decided.removeOnComplete) job.opts.removeOnComplete = true;
      return storableText(decided.result);
    case 'fail':
      throw new UnrecoverableError(failureText(decided.failure));
    case 'requeue':
      return await requeue(job, token, decided.delayMs, run);
    case 'retry':
      // A try cut off by the closing process says nothing about the media: it is not counted.
      if (signal.aborted) return await endAborted(job, token, run);
      throw new RetryError(failureText(decided.failure), delayOf(decided.delayMs));
  }
}

/** At least 1: BullMQ puts a retry without delay before everything that waits. */
function delayOf(delayMs: number): number {
  return Number.isFinite(delayMs) ? Math.min(Math.max(Math.round(delayMs), 1), MAX_DELAY_MS) : MAX_DELAY_MS;
}

/** An aborted job: put back if it is still ours, else left alone. */
async function endAborted(job: Job, token: string, run: JobRun): Promise<never> {
  const { reason } = run.signal;
  if (reason instanceof JobAbortedError && reason.reason === 'shutdown')
    return await requeue(job, token, 0, run);
  run.log.warn({ jobId: job.id }, 'queue: lost the lock of a job; its run was aborted');
  throw new WaitingError(); // to BullMQ: done with it here, touch nothing
}

async function requeue(job: Job, token: string, delayMs: number, { report }: JobRun): Promise<never> {
  try {
    if (delayMs > 0) await job.moveToDelayed(Date.now() + delayOf(delayMs), token);
    else await job.moveToWait(token);
  } catch (error) {
    // No longer ours, or the backend is away: either way it is taken over as stalled, with the same attempt.
    report(error);
  }
  throw delayMs > 0 ? new DelayedError() : new WaitingError();
}

/**
 * A handler that throws is a fault of ours (or a catalogue that is away): soon again, but not for ever. The count is
 * kept as the job's progress, because attempts also count tries that failed in an orderly way.
 */
async function handleUnexpectedError(job: Job, error: unknown, run: JobRun): Promise<never> {
  const count = internalErrorsOf(job) + 1;
  const message = storableText(`internal: ${error instanceof Error ? error.message : String(error)}`);
  run.log.error({ jobId: job.id, err: error, count }, 'the handler of a job failed unexpectedly');
  if (count >= MAX_INTERNAL_ERRORS) throw new UnrecoverableError(message);
  await job.updateProgress({ internalErrors: count }).catch(run.report);
  throw new RetryError(message, run.internalRetryMs ?? INTERNAL_RETRY_MS);
}

function internalErrorsOf(job: Job): number {
  const { internalErrors } = Object(job.progress) as { internalErrors?: unknown };
  return typeof internalErrors === 'number' ? internalErrors : 0;
}
