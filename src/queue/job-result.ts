/** A disposition in BullMQ's words: what it returns, throws and moves. */
import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { Failure } from '../failures.ts';
import type { Log } from '../runtime/log.ts';
import { failureText, storable } from './redact-errors.ts';

/**
 * What becomes of a job. `retry` spends an attempt, `putBack` does not. Delays in milliseconds. `forget`: the queue
 * keeps nothing of it, because its media may be erased.
 */
export type Disposition =
  | { readonly do: 'finish'; readonly result: string; readonly forget?: true }
  | { readonly do: 'retry'; readonly delayMs: number; readonly failure: Failure }
  | { readonly do: 'giveUp'; readonly failure: Failure }
  | { readonly do: 'putBack'; readonly delayMs: number };

const INTERNAL_ERRORS_LIMIT = 5;
const INTERNAL_RETRY_MS = 5_000;
const LONGEST_DELAY_MS = 30 * 24 * 3_600_000;

/** Why a running job was stopped: the process closes, or another worker may hold the job by now. */
export class JobAborted extends Error {
  override readonly name = 'JobAborted';
  readonly why: 'shutdown' | 'lockLost';
  constructor(why: 'shutdown' | 'lockLost') {
    super(why);
    this.why = why;
  }
}

/** Thrown to BullMQ to spend an attempt; carries the delay our policy chose to {@link backoffStrategy}. */
class RetryLater extends Error {
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
  return error instanceof RetryLater ? error.delayMs : INTERNAL_RETRY_MS;
}

export interface Settling {
  decide(): Promise<Disposition | { invalid: string }>;
  /** Aborted with a {@link JobAborted}. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly report: (error: unknown) => void;
  /** Before a job is run again whose handler failed unexpectedly. */
  readonly internalRetryMs?: number | undefined;
}

/** Brings a job to the end its handler decides. Returns what BullMQ keeps as result, or throws what it understands. */
export async function settle(job: Job, token: string, settling: Settling): Promise<string> {
  const { signal, log } = settling;
  let decided: Disposition | { invalid: string };
  try {
    decided = await settling.decide();
  } catch (error) {
    if (signal.aborted) return await stop(job, token, settling);
    return await failInside(job, error, settling);
  }
  if (signal.aborted && signal.reason instanceof JobAborted && signal.reason.why === 'lockLost') {
    return await stop(job, token, settling);
  }
  if ('invalid' in decided) {
    log.warn({ jobId: job.id, reason: storable(decided.invalid) }, 'queue: refused a job');
    throw new UnrecoverableError(storable(decided.invalid));
  }
  switch (decided.do) {
    case 'finish':
      if (decided.forget) job.opts.removeOnComplete = true;
      return storable(decided.result);
    case 'giveUp':
      throw new UnrecoverableError(failureText(decided.failure));
    case 'putBack':
      return await putBack(job, token, decided.delayMs, settling);
    case 'retry':
      // A try cut off by the closing process says nothing about the media: it is not counted.
      if (signal.aborted) return await stop(job, token, settling);
      throw new RetryLater(failureText(decided.failure), delayOf(decided.delayMs));
  }
}

/** At least 1: BullMQ puts a retry without delay before everything that waits. */
function delayOf(delayMs: number): number {
  return Number.isFinite(delayMs)
    ? Math.min(Math.max(Math.round(delayMs), 1), LONGEST_DELAY_MS)
    : LONGEST_DELAY_MS;
}

/** An aborted job: put back if it is still ours, else left alone. */
async function stop(job: Job, token: string, settling: Settling): Promise<never> {
  const { reason } = settling.signal;
  if (reason instanceof JobAborted && reason.why === 'shutdown')
    return await putBack(job, token, 0, settling);
  settling.log.warn({ jobId: job.id }, 'queue: lost the lock of a job; its run was aborted');
  throw new WaitingError(); // to BullMQ: done with it here, touch nothing
}

async function putBack(job: Job, token: string, delayMs: number, { report }: Settling): Promise<never> {
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
async function failInside(job: Job, error: unknown, settling: Settling): Promise<never> {
  const count = internalErrorsOf(job) + 1;
  const message = storable(`internal: ${error instanceof Error ? error.message : String(error)}`);
  settling.log.error({ jobId: job.id, err: error, count }, 'the handler of a job failed unexpectedly');
  if (count >= INTERNAL_ERRORS_LIMIT) throw new UnrecoverableError(message);
  await job.updateProgress({ internalErrors: count }).catch(settling.report);
  throw new RetryLater(message, settling.internalRetryMs ?? INTERNAL_RETRY_MS);
}

function internalErrorsOf(job: Job): number {
  const { internalErrors } = Object(job.progress) as { internalErrors?: unknown };
  return typeof internalErrors === 'number' ? internalErrors : 0;
}
