/**
 * What the program is for: a job becomes an object and an outcome. A handler for the queue's consumer; what it answers
 * is the only thing the queue learns.
 */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { JobAttempt, StoredObject } from '../../catalogue/queue/outcomes.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Reference } from '../../media.ts';
import type { ArchiveJob } from '../../queue/consumer.ts';
import type { JobResult } from '../../queue/job-result.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { AccountHolds, Admission } from '../dispatch/account-hold.ts';
import type { AccountLimiter } from '../dispatch/account-limiter.ts';
import { type AcceptReferences, isCatalogueUnavailable } from '../ingest/insert-batcher.ts';
import { deleteSuperseded, type SupersededDeps } from './delete-superseded.ts';
import { type HandleFailure, SUPERSEDED } from './handle-failure.ts';
import { createTransfer, type TransferDeps } from './transfer.ts';

export interface ArchiverDeps extends Omit<TransferDeps, 'store' | 'catalogue' | 'metrics' | 'log'> {
  accounts: Pick<Accounts, 'find'>;
  store: TransferDeps['store'] & SupersededDeps['store'];
  catalogue: TransferDeps['catalogue'] &
    SupersededDeps['catalogue'] & {
      outcomes: Pick<Catalogue['outcomes'], 'markArchived' | 'markFailed'>;
    } & Pick<Catalogue, 'ping'>;
  limiter: AccountLimiter;
  holds: Pick<AccountHolds, 'admit' | 'invalidate'>;
  accept: AcceptReferences;
  handleFailure: HandleFailure;
  metrics: TransferDeps['metrics'] &
    Pick<Metrics, 'archived' | 'archivedBytes' | 'timeToArchive' | 'expirySlack'>;
  log: Pick<Log, 'info' | 'warn'>;
  lifetimeMs: number;
  /** In real milliseconds: how soon a link that did not help a picture of a held account is tried again. */
  pictureRetryMs: number;
}

/** How long a media waits on its worker slot for a place of its account before it goes back into the queue. */
const PATIENCE_MS = 250;
const PUT_BACK_MS = 500;
/** How soon a media comes back that could not be recorded. */
const CATALOGUE_AWAY_MS = 2_000;

export function createArchiver(deps: ArchiverDeps) {
  const { catalogue, clock, metrics } = deps;
  const transfer = createTransfer(deps);
  /** What was to be recorded last could not be. */
  let isAway = false;

  /** A job of a foreign producer, or one whose row is gone: it gets its row, and the feeder its work. */
  async function adopt(reference: Reference): Promise<JobResult> {
    const [known] = await deps.accept([reference]);
    return {
      action: 'finish',
      result: 'accepted',
      ...(known?.status === 'erased' ? { removeOnComplete: true } : {}),
    };
  }

  async function complete(
    of: JobAttempt,
    reference: Reference,
    stored: StoredObject,
    signal: AbortSignal,
  ): Promise<JobResult> {
    if (await catalogue.outcomes.markArchived({ ...of, account: reference.account }, stored)) {
      metrics.archived.inc();
      metrics.archivedBytes.inc(stored.sizeBytes);
      metrics.expirySlack.observe(
        Math.max(0, (reference.sentAt.getTime() + deps.lifetimeMs - of.endedAt.getTime()) / 1000),
      );
      metrics.timeToArchive.observe(Math.max(0, (of.endedAt.getTime() - reference.sentAt.getTime()) / 1000));
      deps.log.info({ id: of.id, key: stored.objectKey, bytes: stored.sizeBytes }, 'archived');
      return { action: 'finish', result: 'archived' };
    }
    await deleteSuperseded(deps, of.id, { bucket: stored.bucket, key: stored.objectKey }, signal).catch(
      (error) => {
        if (!(error instanceof FailureError)) throw error;
        // Nothing of it is this media's failure, nor reason to look whether the store takes anything.
        deps.log.warn({ err: error, id: of.id }, 'the object of a lost race stays: wma verify --orphans');
      },
    );
    return SUPERSEDED;
  }

  async function archive(job: ArchiveJob, signal: AbortSignal): Promise<JobResult> {
    const account = deps.accounts.find(job.reference.account);
    if (!account) {
      const unknown = failure('account_unknown');
      // No row to wait in: whoever sent it has to hear of it.
      if (job.generation === undefined) return { action: 'fail', failure: unknown.failure };
      return deps.handleFailure(job, clock.now(), unknown);
    }
    if (job.generation === undefined) return await adopt({ ...job.reference, account: account.account });
    const leave = await deps.limiter.acquire(account.account, account.concurrency, PATIENCE_MS, signal);
    if (!leave) return { action: 'requeue', delayMs: PUT_BACK_MS };
    try {
      // WeChat counts every call against a daily quota: none is made whose outcome could not be kept.
      if (isAway) await catalogue.ping();
      isAway = false;
      const given = { ...job, generation: job.generation };
      const admission = await deps.holds.admit(given);
      if (admission.to === 'requeued') return { action: 'finish', result: 'later' };
      return await attempt(given, admission, signal);
    } catch (error) {
      // Before the place is left: whoever waits for it has to know.
      return putBack(error, signal);
    } finally {
      leave();
    }
  }

  async function attempt(
    job: ArchiveJob & { generation: number },
    admission: Exclude<Admission, { to: 'requeued' }>,
    signal: AbortSignal,
  ): Promise<JobResult> {
    const { reference } = job;
    const startedAt = clock.now();
    const tried = () => ({ id: job.id, generation: job.generation, startedAt, endedAt: clock.now() });
    try {
      const stored =
        admission.to === 'pictureOnly'
          ? await transfer.fromPicUrl(job, reference.picUrl!, signal)
          : // Found again: what an admission read may have changed its secret.
            await transfer.fromWechat(job, deps.accounts.find(reference.account)!, signal);
      if (!stored) {
        return (await catalogue.media.get(job.id)) ? SUPERSEDED : await adopt(reference);
      }
      const disposition = await complete(tried(), reference, stored, signal);
      if (admission.to === 'proceed' && admission.isProbe) deps.holds.invalidate();
      return disposition;
    } catch (error) {
      // Shutdown or a lost lock: the media goes back as it was; the consumer knows what to do.
      if (signal.aborted || isCatalogueUnavailable(error)) throw error;
      const isStore = error instanceof FailureError && error.failure.class === 'store';
      if (admission.to === 'proceed' || isStore) return await deps.handleFailure(job, startedAt, error);
      // What holds the account is why the media waits, whatever is wrong with the link.
      deps.log.info({ err: error, id: job.id }, 'the link of a picture did not help');
      const why = admission.hold.reason ?? failure('account_unknown').failure;
      const at = new Date(clock.now().getTime() + deps.pictureRetryMs);
      await catalogue.outcomes.markFailed(tried(), why, { to: 'later', at, reason: 'accountHeld' }, false);
      return { action: 'finish', result: 'later' };
    }
  }

  /** An error of ours is not the media's fault: no try is spent, however long it takes. Throws all others. */
  function putBack(error: unknown, signal: AbortSignal): JobResult {
    if (signal.aborted || !isCatalogueUnavailable(error)) throw error;
    if (!isAway) deps.log.warn({ err: error }, 'outcomes cannot be kept; media go back into the queue');
    isAway = true;
    return { action: 'requeue', delayMs: CATALOGUE_AWAY_MS };
  }

  return (job: ArchiveJob, signal: AbortSignal): Promise<JobResult> =>
    archive(job, signal).catch((error) => putBack(error, signal));
}
