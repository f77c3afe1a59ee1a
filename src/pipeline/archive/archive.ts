/**
 * What the program is for, top to bottom: fetch the file of a job from WeChat before it expires, put it into the
 * store, record it in the catalogue. What stands around an attempt is in job-middleware.ts.
 */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { JobAttempt, StoredObject } from '../../catalogue/queue/outcomes.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Reference } from '../../media.ts';
import type { JobResult } from '../../queue/job-result.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Admission } from '../dispatch/account-hold.ts';
import { type AcceptReferences, isCatalogueUnavailable } from '../ingest/insert-batcher.ts';
import type { ArchivedLog } from './archived-log.ts';
import { deleteSuperseded, type SupersededDeps } from './delete-superseded.ts';
import { type HandleFailure, SUPERSEDED } from './handle-failure.ts';
import { type AttemptHandler, insertRow, type JobInProgress } from './job-middleware.ts';
import { createTransfer, type TransferDeps } from './transfer.ts';

export interface ArchiverDeps extends Omit<TransferDeps, 'store' | 'catalogue' | 'metrics' | 'log'> {
  accounts: Pick<Accounts, 'find'>;
  store: TransferDeps['store'] & SupersededDeps['store'];
  catalogue: TransferDeps['catalogue'] &
    SupersededDeps['catalogue'] & { outcomes: Pick<Catalogue['outcomes'], 'markArchived' | 'markFailed'> };
  accept: AcceptReferences;
  handleFailure: HandleFailure;
  metrics: TransferDeps['metrics'] &
    Pick<Metrics, 'archived' | 'archivedBytes' | 'timeToArchive' | 'expirySlack'>;
  log: Pick<Log, 'info' | 'warn'>;
  archivedLog: Pick<ArchivedLog, 'add'>;
  lifetimeMs: number;
  /** How soon a link that failed is used again for a picture of a held account. In real milliseconds. */
  pictureRetryMs: number;
}

const NOT_HELD: Admission & { to: 'proceed' } = { to: 'proceed', isProbe: false };

export function createArchiver(deps: ArchiverDeps): AttemptHandler {
  const { catalogue, clock, metrics, log } = deps;
  const transfer = createTransfer(deps);

  async function archive(job: JobInProgress, signal: AbortSignal): Promise<JobResult> {
    const { admission = NOT_HELD } = job;
    const startedAt = clock.now();
    const attempt = (): JobAttempt => ({
      id: job.id,
      generation: job.generation ?? 0,
      startedAt,
      endedAt: clock.now(),
    });
    try {
      const stored = await fetchAndStore(job, admission, signal);
      if (!stored)
        return (await catalogue.media.get(job.id)) ? SUPERSEDED : await insertRow(deps.accept, job.reference);
      return await record(attempt(), job.reference, stored, signal);
    } catch (error) {
      // At a shutdown or with a lost lock the item stays as it was; the middleware knows an unavailable catalogue.
      if (signal.aborted || isCatalogueUnavailable(error)) throw error;
      const isStore = error instanceof FailureError && error.failure.class === 'store';
      if (admission.to === 'proceed' || isStore) return await deps.handleFailure(job, startedAt, error);
      return await keepWaiting(attempt(), admission, error);
    }
  }

  /** Undefined: the row belongs to another generation by now, or is erased, or gone. */
  async function fetchAndStore(
    job: JobInProgress,
    admission: NonNullable<JobInProgress['admission']>,
    signal: AbortSignal,
  ): Promise<StoredObject | undefined> {
    if (admission.to === 'pictureOnly') return await transfer.fromPicUrl(job, job.reference.picUrl!, signal);
    // Looked up again: the admission may have reread its secret.
    const account = deps.accounts.find(job.reference.account);
    if (!account) throw failure('account_unknown');
    return await transfer.fromWechat(job, account, signal);
  }

  async function record(
    attempt: JobAttempt,
    reference: Reference,
    stored: StoredObject,
    signal: AbortSignal,
  ): Promise<JobResult> {
    if (!(await catalogue.outcomes.markArchived({ ...attempt, account: reference.account }, stored))) {
      await discard(attempt.id, stored, signal);
      return SUPERSEDED;
    }
    const sentAtMs = reference.sentAt.getTime();
    const endedAtMs = attempt.endedAt.getTime();
    metrics.archived.inc();
    metrics.archivedBytes.inc(stored.sizeBytes);
    metrics.expirySlack.observe(Math.max(0, (sentAtMs + deps.lifetimeMs - endedAtMs) / 1000));
    metrics.timeToArchive.observe(Math.max(0, (endedAtMs - sentAtMs) / 1000));
    deps.archivedLog.add({ id: attempt.id, key: stored.objectKey, bytes: stored.sizeBytes });
    return { action: 'finish', result: 'archived' };
  }

  /** Another attempt was faster, or the item was erased. A store that fails now is no failure of this item. */
  async function discard(
    id: string,
    { bucket, objectKey }: StoredObject,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await deleteSuperseded(deps, id, { bucket, key: objectKey }, signal);
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
      log.warn({ err: error, id }, 'archive: superseded object not deleted, see wma verify --orphans');
    }
  }

  /** The link of a picture failed while its account is held: the hold stays the reason why the item waits. */
  async function keepWaiting(
    attempt: JobAttempt,
    { hold }: Admission & { to: 'pictureOnly' },
    error: unknown,
  ): Promise<JobResult> {
    log.info({ err: error, id: attempt.id }, 'archive: picture link failed, waiting for the account');
    const why = hold.reason ?? failure('account_unknown').failure;
    const at = new Date(clock.now().getTime() + deps.pictureRetryMs);
    await catalogue.outcomes.markFailed(attempt, why, { to: 'later', at, reason: 'accountHeld' }, false);
    return { action: 'finish', result: 'later' };
  }

  return archive;
}
