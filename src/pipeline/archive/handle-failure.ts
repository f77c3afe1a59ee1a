/** What becomes of a media whose try failed: the policy decides, the row is told, the queue follows. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { type Failure, FailureError, failure } from '../../failures.ts';
import type { ArchiveJob } from '../../queue/consumer.ts';
import type { JobResult } from '../../queue/job-result.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { isMediaGone } from '../../wechat/api/errcodes.ts';
import type { AccountHolds } from '../dispatch/account-hold.ts';
import type { StoreHold } from '../dispatch/store-hold.ts';
import { isCatalogueUnavailable } from '../ingest/insert-batcher.ts';
import type { StoredObjects } from './find-stored.ts';
import type { ReadQuota } from './remaining-quota.ts';
import { decideNextAttempt, type RetryDecision } from './retry-policy.ts';

export interface FailureHandlerDeps {
  catalogue: { media: Pick<Catalogue['media'], 'get'>; outcomes: Pick<Catalogue['outcomes'], 'markFailed'> };
  holds: Pick<AccountHolds, 'hold' | 'reportMediaResponse'>;
  storeHold: Pick<StoreHold, 'probeAfterFailure'>;
  clock: Pick<Clock, 'now' | 'isCertain'>;
  lifetimes: Pick<Lifetimes, 'scale'>;
  random: () => number;
  metrics: Pick<Metrics, 'failed' | 'expired'>;
  log: Pick<Log, 'info' | 'error'>;
  stored: Pick<StoredObjects, 'adopt'>;
  readQuota: ReadQuota;
}

/** Waits up to this long are the queue's; longer ones go back to the row, where they are in nobody's way. */
const QUEUE_WAIT_MS = 60_000;

/** A length that is not what was sent may be this object's alone; the others may be the whole store's. */
const isOfStore = ({ class: its, code }: Failure) => its === 'store' && code !== 'store_mismatch';

/** Somebody else has settled the media, or it is erased: then the queue must not keep what the job says of it. */
export const SUPERSEDED: JobResult = { action: 'finish', result: 'superseded', removeOnComplete: true };

/** What settling needs to know of a job; the data of one that cannot be read is not among it. */
type FailedJob = Pick<ArchiveJob, 'id' | 'generation'>;

export type HandleFailure = (job: FailedJob, startedAt: Date, error: unknown) => Promise<JobResult>;

const ASK_MS = 20_000;

const UNCERTAIN_MS = 10 * 60_000;

/** While nobody knows what time it is, no item is closed for its age, nor does one wait long for a time. */
function withoutClock(decision: RetryDecision, now: Date): RetryDecision {
  const latest = new Date(now.getTime() + UNCERTAIN_MS);
  if (decision.next === 'expired') return { next: 'retry', at: latest, reason: 'retry', spent: true };
  return 'at' in decision && decision.at > latest ? { ...decision, at: latest } : decision;
}

/** A row is not closed on a guess: while the bucket cannot be asked, the media waits as for any store that is away. */
const asStoreFailure = (error: unknown) =>
  error instanceof FailureError ? error : failure('store_unavailable', 'no answer', { cause: error });

export function createFailureHandler(deps: FailureHandlerDeps): HandleFailure {
  return async (job, startedAt, error) => {
    try {
      return await settle(job, startedAt, error);
    } catch (refused) {
      if (isCatalogueUnavailable(refused)) throw refused;
      // What could not be recorded costs an attempt all the same, or the item would be tried without end. The bare
      // failure holds nothing from outside that the catalogue could refuse.
      const { code } = refused as { code?: unknown };
      const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? ` (SQLSTATE ${code})` : '';
      const bare = failure('internal', `the outcome could not be recorded${sqlState}`, { cause: refused });
      return await settle(job, startedAt, bare);
    }
  };

  async function settle(job: FailedJob, startedAt: Date, error: unknown): Promise<JobResult> {
    const known =
      error instanceof FailureError ? error : failure('internal', String(error), { cause: error });
    if (known.failure.code === 'internal')
      deps.log.error({ err: error, id: job.id }, 'unexpected error in a try');
    const row = await deps.catalogue.media.get(job.id);
    if (row?.status !== 'pending' || !row.expiresAt || !row.closesAt) return SUPERSEDED;
    // 45009 is said of a minute's limit too: where the day has calls left, it was that.
    const quota = known.failure.class === 'day_quota' ? await deps.readQuota(row.account) : undefined;
    const cause =
      quota && quota.remain > 0 ? ({ ...known.failure, class: 'minute_limit' } as const) : known.failure;
    // A store that takes nothing says nothing of this media: it costs it no try.
    const held = isOfStore(known.failure) ? await deps.storeHold.probeAfterFailure(known.failure) : undefined;
    const now = deps.clock.now();
    const planned = decideNextAttempt({
      failure: cause,
      attempts: row.attempts + 1,
      startedAt,
      now,
      expiresAt: row.expiresAt,
      closesAt: row.closesAt,
      retryAfterMs: known.retryAfterMs,
      random: deps.random(),
      scale: deps.lifetimes.scale,
    });
    const decision = deps.clock.isCertain === false ? withoutClock(planned, now) : planned;
    const of = { id: job.id, generation: job.generation ?? 0, startedAt, endedAt: now };
    deps.metrics.failed.inc({ class: known.failure.class, errcode: String(known.failure.errcode ?? '') });
    deps.log.info(
      { id: job.id, failure: known.failure, next: held ?? decision.next, tries: row.attempts + 1 },
      'a try failed',
    );
    if (held) {
      await deps.catalogue.outcomes.markFailed(of, known.failure, { to: 'due' }, false);
      return { action: 'finish', result: 'later' };
    }

    // WeChat has looked: that this media is no good says that the account is.
    if (known.failure.class === 'permanent_media' && known.failure.errcode !== undefined)
      await deps.holds.reportMediaResponse(row.account);
    if (decision.next === 'dead' || decision.next === 'expired') {
      if (decision.next === 'expired' || isMediaGone(known.failure)) {
        try {
          if (await deps.stored.adopt(row, 'WeChat has it no more', AbortSignal.timeout(ASK_MS)))
            return { action: 'finish', result: 'found' };
        } catch (unanswered) {
          if (known.failure.class !== 'store')
            return await settle(job, startedAt, asStoreFailure(unanswered));
          // Out of time as well: the sweeper closes it once the bucket could be asked.
          const later = {
            to: 'later',
            at: new Date(now.getTime() + QUEUE_WAIT_MS),
            reason: 'retry',
          } as const;
          await deps.catalogue.outcomes.markFailed(of, known.failure, later, false);
          return { action: 'finish', result: 'later' };
        }
      }
      const ours = await deps.catalogue.outcomes.markFailed(of, known.failure, { to: decision.next }, true);
      if (!ours) return SUPERSEDED;
      if (decision.next === 'expired') deps.metrics.expired.inc();
      return { action: 'fail', failure: known.failure };
    }
    if (decision.next === 'holdAccount') {
      // Unknown to this process only, perhaps: one that was started with another ACCOUNTS_FILE may go on.
      const isAlone = known.failure.code === 'account_unknown';
      if (!isAlone) await deps.holds.hold(row.account, decision.at, cause);
      const next = isAlone
        ? ({ to: 'later', at: decision.at, reason: 'accountHeld' } as const)
        : ({ to: 'held', at: decision.at } as const);
      await deps.catalogue.outcomes.markFailed(of, known.failure, next, false);
      return { action: 'finish', result: 'later' };
    }
    const delayMs = decision.at.getTime() - now.getTime();
    // What only waits to be closed must not wait in the queue: there the sweeper leaves it alone, and it is tried again.
    const to = delayMs <= QUEUE_WAIT_MS && decision.at < row.closesAt ? 'queue' : 'later';
    const ours = await deps.catalogue.outcomes.markFailed(
      of,
      known.failure,
      { to, at: decision.at, reason: decision.reason },
      true,
    );
    if (!ours) return SUPERSEDED;
    return to === 'queue'
      ? { action: 'retry', delayMs, failure: known.failure }
      : { action: 'finish', result: 'later' };
  }
}
