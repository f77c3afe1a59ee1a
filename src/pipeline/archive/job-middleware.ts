/** Everything that stands around an attempt, as one list. Each middleware passes the job on or ends it itself. */
import type { Account, Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { failure } from '../../failures.ts';
import type { Reference } from '../../media.ts';
import type { ArchiveJob, JobHandler } from '../../queue/consumer.ts';
import type { JobResult } from '../../queue/job-result.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { AccountHolds, Admission } from '../dispatch/account-hold.ts';
import type { AccountLimiter } from '../dispatch/account-limiter.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { StoreHold } from '../dispatch/store-hold.ts';
import { type AcceptReferences, isCatalogueUnavailable } from '../ingest/insert-batcher.ts';
import type { StoredObjects } from './find-stored.ts';
import type { HandleFailure } from './handle-failure.ts';

/** A job on its way inwards, with what the middleware around it has found out. */
export interface JobInProgress extends ArchiveJob {
  /** From `known-account` on. */
  readonly account?: Account;
  /** From `account-hold` on. */
  readonly admission?: Exclude<Admission, { to: 'requeued' }>;
}

export type AttemptHandler = (job: JobInProgress, signal: AbortSignal) => Promise<JobResult>;
type Run = (job: JobInProgress, signal: AbortSignal, next: AttemptHandler) => Promise<JobResult>;

export interface JobMiddleware {
  readonly name: string;
  readonly run: Run;
}

export interface JobMiddlewareDeps {
  accounts: Pick<Accounts, 'find'>;
  catalogue: { media: Pick<Catalogue['media'], 'get'> } & Pick<Catalogue, 'ping'>;
  dispatcher: Pick<Dispatcher, 'jobFinished'>;
  storeHold: Pick<StoreHold, 'runUnlessHeld'>;
  storedObjects: Pick<StoredObjects, 'adopt'>;
  limiter: AccountLimiter;
  holds: Pick<AccountHolds, 'admit' | 'invalidate'>;
  accept: AcceptReferences;
  handleFailure: HandleFailure;
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'warn'>;
}

/** The middleware, outermost first. The consumer watchdog counts running jobs around all of it. */
export function createJobMiddleware(deps: JobMiddlewareDeps): readonly JobMiddleware[] {
  const outage = createCatalogueOutage(deps);
  return [
    // Outermost: the dispatcher refills the queue for every job that ends, however it ends.
    { name: 'dispatcher', run: reportFinished(deps) },
    // Around everything that reads or writes rows, the store hold's rows included.
    { name: 'catalogue-outage', run: outage.requeue },
    // Before any call of WeChat or of the store: none is made for bytes that could not be stored.
    { name: 'store-hold', run: stopWhileStoreIsHeld(deps) },
    // Before an account is needed: an item that is stored needs no token, and no place of its account.
    { name: 'already-stored', run: skipStored(deps) },
    // Before the limiter, which needs the account, and which a job that only gets its row must not occupy.
    { name: 'known-account', run: resolveAccount(deps) },
    // Before the account hold: its probe belongs to a job that can begin at once.
    { name: 'account-limiter', run: limitAccount(deps) },
    // Inside the limiter: the outage is known before the place is released to the next job.
    { name: 'catalogue-check', run: outage.check },
    // Innermost: between the admission and the attempt nothing may send the job away, or a probe would be lost.
    { name: 'account-hold', run: admitByHold(deps) },
  ];
}

/** Returns the handler for the queue's consumer: `attempt` inside the middleware. */
export function composeMiddleware(middleware: readonly JobMiddleware[], attempt: AttemptHandler): JobHandler {
  return middleware.reduceRight<AttemptHandler>(
    (next, { run }) =>
      (job, signal) =>
        run(job, signal, next),
    attempt,
  );
}

/** Gives a job without a row its row; the dispatcher adds a job for that. The queue keeps nothing of an erased item. */
export async function insertRow(accept: AcceptReferences, reference: Reference): Promise<JobResult> {
  const [row] = await accept([reference]);
  const isErased = row?.status === 'erased';
  return { action: 'finish', result: 'accepted', ...(isErased ? { removeOnComplete: true } : {}) };
}

function reportFinished({ dispatcher }: Pick<JobMiddlewareDeps, 'dispatcher'>): Run {
  return async (job, signal, next) => {
    try {
      return await next(job, signal);
    } finally {
      dispatcher.jobFinished();
    }
  };
}

/** How soon a job comes back whose outcome could not be recorded. */
const OUTAGE_RETRY_MS = 2_000;

/** An unavailable catalogue is no failure of the item: no attempt is counted, however long the outage lasts. */
function createCatalogueOutage({ catalogue, log }: Pick<JobMiddlewareDeps, 'catalogue' | 'log'>) {
  let isUnavailable = false;

  function note(error: unknown): void {
    if (!isUnavailable) log.warn({ err: error }, 'archive: catalogue unavailable, requeueing jobs');
    isUnavailable = true;
  }

  const requeue: Run = async (job, signal, next) => {
    try {
      return await next(job, signal);
    } catch (error) {
      if (signal.aborted || !isCatalogueUnavailable(error)) throw error;
      note(error);
      return { action: 'requeue', delayMs: OUTAGE_RETRY_MS };
    }
  };

  /** WeChat counts every call against a daily quota: none is made whose outcome could not be recorded. */
  const check: Run = async (job, signal, next) => {
    try {
      if (isUnavailable) await catalogue.ping();
      isUnavailable = false;
      return await next(job, signal);
    } catch (error) {
      if (isCatalogueUnavailable(error)) note(error);
      throw error;
    }
  };

  return { requeue, check };
}

function stopWhileStoreIsHeld({ storeHold }: Pick<JobMiddlewareDeps, 'storeHold'>): Run {
  return (job, signal, next) => storeHold.runUnlessHeld(job, signal, (bounded) => next(job, bounded));
}

/** An earlier attempt may have stored the item, and its process may have died before the row was written. */
function skipStored({
  catalogue,
  storedObjects,
  log,
}: Pick<JobMiddlewareDeps, 'catalogue' | 'storedObjects' | 'log'>): Run {
  async function isStored(job: ArchiveJob, signal: AbortSignal): Promise<boolean> {
    try {
      const row = await catalogue.media.get(job.id);
      if (row?.status !== 'pending' || !row.objectKey) return false;
      return await storedObjects.adopt(row, 'an earlier try had stored it', signal);
    } catch (error) {
      signal.throwIfAborted();
      // The attempt meets the same error, and its failure is handled there.
      log.warn({ err: error, id: job.id }, 'archive: stored object not looked up, attempting anyway');
      return false;
    }
  }

  return async (job, signal, next) => {
    const { generation } = job;
    const isFirst = generation === undefined || (generation <= 1 && job.attempt <= 1 && !job.wasStalled);
    if (!isFirst && (await isStored(job, signal))) return { action: 'finish', result: 'found' };
    return await next(job, signal);
  };
}

/** Ends the jobs of unknown accounts, and those of foreign producers, which only get their row. */
function resolveAccount({
  accounts,
  accept,
  handleFailure,
  clock,
}: Pick<JobMiddlewareDeps, 'accounts' | 'accept' | 'handleFailure' | 'clock'>): Run {
  return async (job, signal, next) => {
    const account = accounts.find(job.reference.account);
    if (!account) {
      const unknown = failure('account_unknown');
      // There is no row that could wait for the account: the producer sees the reason in the failed job.
      if (job.generation === undefined) return { action: 'fail', failure: unknown.failure };
      return await handleFailure(job, clock.now(), unknown);
    }
    if (job.generation === undefined)
      return await insertRow(accept, { ...job.reference, account: account.account });
    return await next({ ...job, account }, signal);
  };
}

/** How long a job keeps a place of the worker while it waits for one of its account. */
const LIMITER_WAIT_MS = 250;
const LIMITER_RETRY_MS = 500;

function limitAccount({ limiter }: Pick<JobMiddlewareDeps, 'limiter'>): Run {
  return async (job, signal, next) => {
    const { account, concurrency } = job.account!;
    const release = await limiter.acquire(account, concurrency, LIMITER_WAIT_MS, signal);
    if (!release) return { action: 'requeue', delayMs: LIMITER_RETRY_MS };
    try {
      return await next(job, signal);
    } finally {
      release();
    }
  };
}

function admitByHold({ holds }: Pick<JobMiddlewareDeps, 'holds'>): Run {
  return async (job, signal, next) => {
    const admission = await holds.admit({ ...job, generation: job.generation! });
    if (admission.to === 'requeued') return { action: 'finish', result: 'later' };
    const result = await next({ ...job, admission }, signal);
    // What the probe found out is in the catalogue; the hold that was read before is out of date.
    if (admission.to === 'proceed' && admission.isProbe) holds.invalidate();
    return result;
  };
}
