/** The sweeper: repairs what a process that died left behind and closes what has expired. A lease admits one at a time. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { FAILURES } from '../../failures.ts';
import { jobIdOf } from '../../queue/job.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import { createLease } from '../../runtime/lease.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import type { Store } from '../../storage/store.ts';
import { isAccessRefused, type StoredObjects } from '../archive/find-stored.ts';
import { combineErrors, isNonEmpty } from './combine-errors.ts';

export interface SweeperDeps {
  catalogue: {
    leases: Pick<Catalogue['leases'], 'take' | 'drop'>;
    queue: Pick<Catalogue['queue'], 'listClaimedBefore' | 'requeue'>;
    outcomes: Pick<Catalogue['outcomes'], 'listExpiring' | 'closeExpired'>;
    uploads: Pick<Catalogue['uploads'], 'listOpen' | 'clear'>;
  };
  queue: Pick<ArchiveQueue, 'lost' | 'misplaced'>;
  store: Pick<Store, 'bucket' | 'abortMultipart'>;
  stored: Pick<StoredObjects, 'adopt'>;
  metrics: Pick<Metrics, 'expired' | 'backgroundErrors'>;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'closingMs'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** The most rows that can be in the queue: the repair never reads more. */
  windowRows: number;
  /** Called after rows were freed: wakes the dispatcher. */
  onFreed: () => void;
}

export interface SweepOptions {
  /** Default 5,000. */
  readonly everyMs?: number;
  /** Default 10,000: a job is added within 2 s of the claim of its row or not at all. */
  readonly claimAgeMs?: number;
  /** The age at which the place of a job in the queue is checked. Default 60,000. */
  readonly misplacedAgeMs?: number;
  /** The age at which an open upload is aborted. Default 60,000. */
  readonly uploadAgeMs?: number;
}

const LEASE_MS = 30_000;
const CLOSE_LIMIT = 1_000;
const UPLOAD_LIMIT = 100;
/** Requests to the store at once, and the time for all of them, which is within the lease. The next sweep does the rest. */
const CHECKS_AT_ONCE = 8;
const CHECKS_MS = 15_000;
/** One object that the store cannot read must not take the time of the others. */
const CHECK_MS = 5_000;
/** The delay before an upload that could not be aborted is tried again. */
const ABORT_RETRY_MS = 30_000;
const ABORT_REFUSED_RETRY_MS = 10 * 60_000;

export interface SweepResult {
  readonly freed: number;
  readonly expired: number;
  readonly aborted: number;
  /** One for each step that failed; the other steps were done all the same. */
  readonly errors: readonly Error[];
}

export interface Sweeper {
  /** Does every step once. Resolves with undefined while another process has the lease. */
  sweep(signal: AbortSignal): Promise<SweepResult | undefined>;
  /** Sweeps until the signal aborts, then gives the lease back. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export function createSweeper(
  deps: SweeperDeps,
  { everyMs = 5_000, claimAgeMs = 10_000, misplacedAgeMs = 60_000, uploadAgeMs = 60_000 }: SweepOptions = {},
): Sweeper {
  const { catalogue, clock, log } = deps;
  const lease = createLease({ leases: catalogue.leases, clock }, { name: 'sweep', durationMs: LEASE_MS });
  /** Rows whose object the store could not be asked for in the last sweep. */
  let unchecked = new Set<string>();
  /** Upload ids, and when they may be tried again. */
  const notAborted = new Map<string, number>();
  const ago = (ms: number) => new Date(clock.now().getTime() - ms);

  /** Makes claimed rows due again whose job is gone (flushed, purged, stalled out) or has no place in the queue. */
  async function freeLost(): Promise<number> {
    const claimed = await catalogue.queue.listClaimedBefore(ago(claimAgeMs), deps.windowRows);
    if (claimed.length === 0) return 0;
    const lost = new Set(await deps.queue.lost(claimed.map((row) => jobIdOf(row.id, row.generation))));
    const before = ago(misplacedAgeMs);
    const old = claimed.filter((row) => row.claimedAt < before).map((row) => jobIdOf(row.id, row.generation));
    for (const jobId of await deps.queue.misplaced(old.filter((jobId) => !lost.has(jobId)))) lost.add(jobId);
    const gone = claimed.flatMap(({ id, generation }) =>
      lost.has(jobIdOf(id, generation)) ? [{ id, generation }] : [],
    );
    const freed = gone.length > 0 ? await catalogue.queue.requeue(gone) : 0;
    if (freed > 0) {
      log.warn({ freed }, 'sweeper: jobs were lost, their items are due again');
      deps.onFreed();
    }
    return freed;
  }

  /**
   * Closes no row before the bucket was checked: a row whose object is stored whole becomes archived.
   * While the store does not respond, rows stay open; they are past their deadline and lose nothing by it.
   */
  async function closeExpired(signal: AbortSignal, errors: Error[]): Promise<number> {
    if (clock.isCertain === false) return 0;
    const rows = await catalogue.outcomes.listExpiring(clock.now(), deps.lifetimes.closingMs, CLOSE_LIMIT);
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(CHECKS_MS)]);
    const gone: string[] = [];
    let cause: unknown;
    // Rows without a response in the last sweep come last, so that they do not keep the others from being checked.
    rows.sort((a, b) => Number(unchecked.has(a.id)) - Number(unchecked.has(b.id)));
    const uncheckedBefore = unchecked;
    unchecked = new Set();
    const checkRows = async () => {
      for (let row = rows.shift(); row && !bounded.aborted; row = rows.shift()) {
        try {
          const timeout = AbortSignal.any([bounded, AbortSignal.timeout(CHECK_MS)]);
          if (!(await deps.stored.adopt(row, 'it had run out', timeout))) gone.push(row.id);
        } catch (error) {
          cause = error;
          unchecked.add(row.id);
        }
      }
    };
    await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, checkRows));
    const failure = { code: 'expired', class: FAILURES.expired.class } as const;
    const closed = gone.length > 0 ? await catalogue.outcomes.closeExpired(gone, clock.now(), failure) : [];
    if (closed.length > 0) {
      deps.metrics.expired.inc(closed.length);
      log.warn({ expired: closed.length }, 'sweeper: items expired unarchived');
    }
    for (const { id } of rows) if (uncheckedBefore.has(id)) unchecked.add(id);
    if (cause && !signal.aborted)
      errors.push(
        new Error(`closeExpired: ${unchecked.size} rows stay open, no response of the store`, { cause }),
      );
    return closed.length;
  }

  /** Aborts multipart uploads that a worker left open when it died. Their ids were recorded before the first part. */
  async function abortUploads(signal: AbortSignal): Promise<number> {
    const open = await catalogue.uploads.listOpen(ago(uploadAgeMs), UPLOAD_LIMIT);
    let aborted = 0;
    for (const [id, untilMs] of notAborted) if (untilMs <= performance.now()) notAborted.delete(id);
    for (const upload of open) {
      signal.throwIfAborted();
      if (notAborted.has(upload.uploadId)) continue;
      // The bucket of another configuration cannot be reached from here: its lifecycle rule has to abort the upload.
      if (upload.bucket === deps.store.bucket) {
        try {
          await deps.store.abortMultipart(upload.objectKey, upload.uploadId, signal);
        } catch (error) {
          signal.throwIfAborted();
          // The next sweep begins with the others.
          const retryMs = isAccessRefused(error) ? ABORT_REFUSED_RETRY_MS : ABORT_RETRY_MS;
          notAborted.set(upload.uploadId, performance.now() + retryMs);
          if (!isAccessRefused(error)) throw error;
          log.warn(
            { err: error, id: upload.id },
            'sweeper: no right to abort an upload (s3:AbortMultipartUpload)',
          );
          continue;
        }
      } else {
        log.warn(
          { bucket: upload.bucket, key: upload.objectKey },
          'sweeper: an upload in another bucket stays open',
        );
      }
      await catalogue.uploads.clear(upload.id, upload.uploadId);
      aborted++;
    }
    return aborted;
  }

  async function sweep(signal: AbortSignal): Promise<SweepResult | undefined> {
    if (!(await lease.take())) return undefined;
    const errors: Error[] = [];
    // A store that is unavailable must not keep lost jobs from being freed.
    const runStep = async (name: string, step: () => Promise<number>): Promise<number> => {
      try {
        return await step();
      } catch (error) {
        if (!signal.aborted) errors.push(new Error(`${name}: ${(error as Error).message}`, { cause: error }));
        return 0;
      }
    };
    const freed = await runStep('freeLost', freeLost);
    const expired = await runStep('closeExpired', () => closeExpired(signal, errors));
    const aborted = await runStep('abortUploads', () => abortUploads(signal));
    return { freed, expired, aborted, errors };
  }

  const loop = createPollLoop({
    name: 'sweeper',
    everyMs,
    log,
    metrics: deps.metrics,
    sleep: clock.sleep,
    lease,
    work: async (signal) => {
      const { errors = [] } = (await sweep(signal)) ?? {};
      if (isNonEmpty(errors)) throw combineErrors(errors);
    },
  });

  return { sweep, run: loop.run };
}
