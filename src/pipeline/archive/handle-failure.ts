/** Handles a failed attempt: collects the facts, lets {@link decideFailure} decide, and carries the decision out. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { MediaRow } from '../../catalogue/media/row.ts';
import type { JobAttempt } from '../../catalogue/queue/outcomes.ts';
import { type Failure, FailureError, failure } from '../../failures.ts';
import type { ArchiveJob } from '../../queue/consumer.ts';
import type { JobResult } from '../../queue/job-result.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { AccountHolds } from '../dispatch/account-hold.ts';
import type { StoreHold } from '../dispatch/store-hold.ts';
import { isCatalogueUnavailable } from '../ingest/insert-batcher.ts';
import { type ClosingDecision, decideClosing, decideFailure, type FailureFacts } from './decide-failure.ts';
import type { StoredObjects } from './find-stored.ts';
import type { ReadQuota } from './remaining-quota.ts';

export interface FailureHandlerDeps {
  catalogue: {
    media: Pick<Catalogue['media'], 'get'>;
    outcomes: Pick<Catalogue['outcomes'], 'markFailed'>;
  };
  holds: Pick<AccountHolds, 'hold' | 'reportMediaResponse'>;
  storeHold: Pick<StoreHold, 'probeAfterFailure'>;
  clock: Pick<Clock, 'now' | 'isCertain'>;
  lifetimes: Pick<Lifetimes, 'scale'>;
  random: () => number;
  metrics: Pick<Metrics, 'failed' | 'dead' | 'expired'>;
  log: Pick<Log, 'info' | 'error'>;
  stored: Pick<StoredObjects, 'adopt'>;
  readQuota: ReadQuota;
}

/** Of a job whose data cannot be read, no more is known. */
type FailedJob = Pick<ArchiveJob, 'id' | 'generation'>;

/** Rejects where the catalogue is unavailable. */
export type HandleFailure = (job: FailedJob, startedAt: Date, error: unknown) => Promise<JobResult>;

/** Another attempt was faster, or the item is erased: then the queue must not keep the job's data. */
export const SUPERSEDED: JobResult = { action: 'finish', result: 'superseded', removeOnComplete: true };
const LATER: JobResult = { action: 'finish', result: 'later' };

const SEARCH_MS = 20_000;

/** A wrong length may be this object's alone; every other failure of the store may be the whole store's. */
const mayBeWholeStore = ({ class: its, code }: Failure) => its === 'store' && code !== 'store_mismatch';

/** WeChat has examined the media id, so it serves the account. */
const provesAccountWorks = ({ class: its, errcode }: Failure) =>
  its === 'permanent_media' && errcode !== undefined;

export function createFailureHandler(deps: FailureHandlerDeps): HandleFailure {
  const { catalogue, clock, metrics, log } = deps;

  return async (job, startedAt, error) => {
    try {
      return await handle(job, startedAt, error);
    } catch (refused) {
      if (isCatalogueUnavailable(refused)) throw refused;
      // An outcome that cannot be recorded counts as an attempt, or the item would be attempted without end. The bare
      // failure holds nothing from outside that the catalogue could refuse.
      return await handle(job, startedAt, notRecorded(refused));
    }
  };

  async function handle(job: FailedJob, startedAt: Date, error: unknown): Promise<JobResult> {
    const known = asFailure(error);
    if (known.failure.code === 'internal') log.error({ err: error, id: job.id }, 'archive: unexpected error');
    const row = await catalogue.media.get(job.id);
    const facts = await collectFacts(row, known, startedAt);
    const decision = decideFailure(facts);
    if (!row || decision.next === 'superseded') return SUPERSEDED;
    const attempt = { id: job.id, generation: job.generation ?? 0, startedAt, endedAt: facts.now };
    report(attempt, row, facts, decision);
    if (decision.next !== 'due' && provesAccountWorks(known.failure))
      await deps.holds.reportMediaResponse(row.account, startedAt);
    if (decision.next !== 'search') return await carryOut(decision, attempt, row, known.failure);

    const { search, searchError } = await searchBucket(row);
    const closing = decideClosing(decision, search, facts);
    if (closing.next === 'storeFailure') return await handle(job, startedAt, asStoreFailure(searchError));
    return await carryOut(closing, attempt, row, known.failure);
  }

  /** What the decision needs and only others know. Of a closed row nothing is asked. */
  async function collectFacts(
    row: MediaRow | undefined,
    { failure, retryAfterMs }: FailureError,
    startedAt: Date,
  ): Promise<FailureFacts> {
    const isOpen = row?.status === 'pending';
    const quota = isOpen && failure.class === 'day_quota' ? await deps.readQuota(row.account) : undefined;
    const storeHold =
      isOpen && mayBeWholeStore(failure) ? await deps.storeHold.probeAfterFailure(failure) : undefined;
    return {
      row,
      failure,
      retryAfterMs,
      quotaRemain: quota?.remain,
      storeHold,
      startedAt,
      now: clock.now(),
      isClockCertain: clock.isCertain !== false,
      random: deps.random(),
      scale: deps.lifetimes.scale,
    };
  }

  function report(
    { id }: JobAttempt,
    row: MediaRow,
    { failure, storeHold }: FailureFacts,
    { next }: { next: string },
  ): void {
    metrics.failed.inc({ class: failure.class, errcode: String(failure.errcode ?? '') });
    log.info({ id, failure, next: storeHold ?? next, attempts: row.attempts + 1 }, 'archive: attempt failed');
  }

  /** An earlier attempt may have stored the item: then the row is archived with it. */
  async function searchBucket(row: MediaRow) {
    try {
      const isFound = await deps.stored.adopt(row, 'WeChat has it no more', AbortSignal.timeout(SEARCH_MS));
      return { search: isFound ? 'found' : 'absent' } as const;
    } catch (searchError) {
      return { search: 'unknown', searchError } as const;
    }
  }

  async function carryOut(
    decision: Exclude<ClosingDecision, { next: 'storeFailure' }>,
    attempt: JobAttempt,
    { account }: MediaRow,
    failure: Failure,
  ): Promise<JobResult> {
    const { markFailed } = catalogue.outcomes;
    switch (decision.next) {
      case 'superseded':
        return SUPERSEDED;
      case 'found':
        return { action: 'finish', result: 'found' };
      case 'due':
        await markFailed(attempt, failure, { to: 'due' }, false);
        return LATER;
      case 'dead':
      case 'expired':
        if (!(await markFailed(attempt, failure, { to: decision.next }, true))) return SUPERSEDED;
        if (decision.next === 'expired') metrics.expired.inc();
        else metrics.dead.inc();
        return { action: 'fail', failure };
      case 'holdAccount':
        await deps.holds.hold(account, decision.at, decision.reason);
        await markFailed(attempt, failure, { to: 'held', at: decision.at }, false);
        return LATER;
      case 'later': {
        const { at, reason, isCounted } = decision;
        const isOurs = await markFailed(attempt, failure, { to: 'later', at, reason }, isCounted);
        return isOurs || !isCounted ? LATER : SUPERSEDED;
      }
      case 'retry': {
        const { at, reason, delayMs } = decision;
        if (!(await markFailed(attempt, failure, { to: 'queue', at, reason }, true))) return SUPERSEDED;
        return { action: 'retry', delayMs, failure };
      }
    }
  }
}

const asFailure = (error: unknown): FailureError =>
  error instanceof FailureError ? error : failure('internal', String(error), { cause: error });

const asStoreFailure = (error: unknown): FailureError =>
  error instanceof FailureError ? error : failure('store_unavailable', 'no answer', { cause: error });

function notRecorded(error: unknown): FailureError {
  const { code } = error as { code?: unknown };
  const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? ` (SQLSTATE ${code})` : '';
  return failure('internal', `the outcome could not be recorded${sqlState}`, { cause: error });
}
