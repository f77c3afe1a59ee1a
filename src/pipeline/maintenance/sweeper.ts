/** The sweeper: heals what died half-way and closes what has run out. Safe with many: a lease lets one at a time. */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { FAILURES } from '../../failures.ts';
import { jobIdOf } from '../../queue/job.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Store } from '../../storage/store.ts';
import { isRefusedRight, type StoredMedia } from '../archive/find-stored.ts';

export interface SweeperDeps {
  catalogue: {
    leases: Pick<Catalogue['leases'], 'take' | 'drop'>;
    queue: Pick<Catalogue['queue'], 'listClaimedBefore' | 'requeue'>;
    outcomes: Pick<Catalogue['outcomes'], 'listExpiring' | 'closeExpired'>;
    uploads: Pick<Catalogue['uploads'], 'listOpen' | 'clear'>;
  };
  queue: Pick<ArchiveQueue, 'lost' | 'misplaced'>;
  store: Pick<Store, 'bucket' | 'abortMultipart'>;
  stored: Pick<StoredMedia, 'adopt'>;
  metrics: Pick<Metrics, 'expired'>;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'closingMs'>;
  log: Pick<Log, 'info' | 'warn'>;
  /** More rows than the window allows cannot be fed: the repair never looks at more. */
  windowRows: number;
  /** Wakes the feeder after rows were freed. */
  onFreed: () => void;
}

export interface SweepOptions {
  /** Default 5,000. */
  readonly everyMs?: number;
  /** Default 10,000: a job is added within 2 s of its row being marked or not at all. */
  readonly claimAgeMs?: number;
  /** Default 60,000: a job that was added so long ago is looked for in its place. */
  readonly misplacedAgeMs?: number;
  /** Default 60,000. */
  readonly uploadAgeMs?: number;
}

const LEASE = 'sweep';
const LEASE_MS = 30_000;
const CLOSE_LIMIT = 1_000;
const UPLOAD_LIMIT = 100;
/** The store is asked for so many at once, and within the lease; the rest is the next round's. */
const ASKED_AT_ONCE = 8;
const ASK_MS = 15_000;
/** One object that the store cannot read must not take the time of the others. */
const ASK_ROW_MS = 5_000;
/** An upload that could not be aborted is left alone so long. */
const ABORT_AGAIN_MS = 30_000;
const ABORT_REFUSED_AGAIN_MS = 10 * 60_000;

export interface SweepResult {
  readonly freed: number;
  readonly expired: number;
  readonly aborted: number;
}

export function createSweeper(
  deps: SweeperDeps,
  {
    everyMs = 5_000,
    claimAgeMs: fedAgeMs = 10_000,
    misplacedAgeMs: placeAgeMs = 60_000,
    uploadAgeMs = 60_000,
  }: SweepOptions = {},
) {
  const holder = randomUUID();
  const { catalogue, clock, log } = deps;
  let withoutAnswer = new Set<string>();
  /** Upload ids, and until when they are left alone. */
  const notAborted = new Map<string, number>();
  const ago = (ms: number) => new Date(clock.now().getTime() - ms);

  /** Rows marked as fed whose job is gone (flushed, purged, stalled out), or has no place in the queue, are due again. */
  async function freeLost(): Promise<number> {
    const fed = await catalogue.queue.listClaimedBefore(ago(fedAgeMs), deps.windowRows);
    if (fed.length === 0) return 0;
    const lost = new Set(await deps.queue.lost(fed.map((row) => jobIdOf(row.id, row.generation))));
    const early = ago(placeAgeMs);
    const long = fed.filter((row) => row.claimed_at < early).map((row) => jobIdOf(row.id, row.generation));
    for (const jobId of await deps.queue.misplaced(long.filter((jobId) => !lost.has(jobId)))) lost.add(jobId);
    const gone = fed.flatMap(({ id, generation }) =>
      lost.has(jobIdOf(id, generation)) ? [{ id, generation }] : [],
    );
    const freed = gone.length > 0 ? await catalogue.queue.requeue(gone) : 0;
    if (freed > 0) {
      log.warn({ freed }, 'media whose job was lost are fed again');
      deps.onFreed();
    }
    return freed;
  }

  /**
   * Nothing is closed before the bucket was asked: what is there whole is archived, whatever the row knew. While the
   * store does not answer, rows stay open; they are past their deadline and lose nothing by it.
   */
  async function closeExpired(signal: AbortSignal): Promise<number> {
    if (clock.isCertain === false) return 0;
    const rows = await catalogue.outcomes.listExpiring(clock.now(), deps.lifetimes.closingMs, CLOSE_LIMIT);
    const within = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
    const gone: string[] = [];
    let unanswered: unknown;
    // Those that got no answer the last time come last, so that they keep nobody from being asked.
    rows.sort((a, b) => Number(withoutAnswer.has(a.id)) - Number(withoutAnswer.has(b.id)));
    const before = withoutAnswer;
    withoutAnswer = new Set();
    const ask = async () => {
      for (let row = rows.shift(); row && !within.aborted; row = rows.shift()) {
        const ownTime = AbortSignal.any([within, AbortSignal.timeout(ASK_ROW_MS)]);
        try {
          if (!(await deps.stored.adopt(row, 'it had run out', ownTime))) gone.push(row.id);
        } catch (error) {
          unanswered = error;
          withoutAnswer.add(row.id);
        }
      }
    };
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
    const closed =
      gone.length > 0
        ? await catalogue.outcomes.closeExpired(gone, clock.now(), {
            code: 'expired',
            class: FAILURES.expired.class,
          })
        : [];
    if (closed.length > 0) {
      deps.metrics.expired.inc(closed.length);
      log.warn({ expired: closed.length }, 'media passed their deadline unarchived');
    }
    for (const { id } of rows) if (before.has(id)) withoutAnswer.add(id);
    if (unanswered && !signal.aborted)
      log.warn(
        { err: unanswered, rows: withoutAnswer.size },
        'the bucket was asked for expired media and did not answer; they stay open',
      );
    return closed.length;
  }

  /** Multiparts that a dead worker left behind; the id was recorded before the first part. */
  async function abortUploads(signal: AbortSignal): Promise<number> {
    const open = await catalogue.uploads.listOpen(ago(uploadAgeMs), UPLOAD_LIMIT);
    let aborted = 0;
    for (const [id, untilMs] of notAborted) if (untilMs <= performance.now()) notAborted.delete(id);
    for (const upload of open) {
      signal.throwIfAborted();
      if (notAborted.has(upload.upload_id)) continue;
      // In a bucket of another configuration nothing can be done from here; its lifecycle rule has to.
      if (upload.bucket === deps.store.bucket) {
        try {
          await deps.store.abortMultipart(upload.object_key, upload.upload_id, signal);
        } catch (error) {
          signal.throwIfAborted();
          // The others come first the next time.
          const againMs = isRefusedRight(error) ? ABORT_REFUSED_AGAIN_MS : ABORT_AGAIN_MS;
          notAborted.set(upload.upload_id, performance.now() + againMs);
          if (!isRefusedRight(error)) throw error;
          log.warn({ err: error, id: upload.id }, 'an upload cannot be aborted (s3:AbortMultipartUpload)');
          continue;
        }
      } else {
        log.warn(
          { bucket: upload.bucket, key: upload.object_key },
          'an upload is left open in another bucket',
        );
      }
      await catalogue.uploads.clear(upload.id, upload.upload_id);
      aborted++;
    }
    return aborted;
  }

  /** Each deed on its own: a store that is away must not keep lost jobs from being freed. */
  async function attempt(name: string, deed: () => Promise<number>, signal: AbortSignal): Promise<number> {
    try {
      return await deed();
    } catch (error) {
      if (!signal.aborted)
        log.warn({ err: error, deed: name }, 'a sweep did not finish; the next one goes on');
      return 0;
    }
  }

  /** One round. Undefined: another sweeper is at it. */
  async function sweep(signal: AbortSignal): Promise<SweepResult | undefined> {
    const now = clock.now();
    if (!(await catalogue.leases.take(LEASE, holder, now, new Date(now.getTime() + LEASE_MS))))
      return undefined;
    return {
      freed: await attempt('freeLost', freeLost, signal),
      expired: await attempt('closeExpired', () => closeExpired(signal), signal),
      aborted: await attempt('abortUploads', () => abortUploads(signal), signal),
    };
  }

  return {
    sweep,
    /** Sweeps until the signal aborts, then gives the lease back. Never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        await attempt('sweep', async () => ((await sweep(signal)) ? 1 : 0), signal);
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
      await catalogue.leases.drop(LEASE, holder).catch(() => undefined);
    },
  };
}
