/**
 * Erasing: a media is marked, and thereby out of reach of feeder, tries and repeats; then its jobs and objects are
 * removed; then its row is finished. Each step may be done twice, so whoever finds an erasure unfinished goes on
 * with it: the request itself, and after it the sweeper, until nothing is left.
 */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type {
  MarkedItem,
  RemainingObject,
  Requester,
  Unfinished,
} from '../../catalogue/erasure/erase-media.ts';
import type { UnmarkedErasure } from '../../catalogue/erasure/erasures.ts';
import { FailureError } from '../../failures.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { redact } from '../../runtime/redaction.ts';
import type { Store } from '../../storage/store.ts';
import { decryptAtRest, encryptAtRest } from '../../wechat/tokens/encrypt-at-rest.ts';
import { decideNextErase } from './erase-policy.ts';

export interface EraserDeps {
  catalogue: {
    mediaErasure: Pick<
      Catalogue['mediaErasure'],
      'erase' | 'take' | 'takeDue' | 'takeOfErasure' | 'finish' | 'postpone'
    >;
    media: Pick<Catalogue['media'], 'listSentBefore'>;
  } & Pick<Catalogue, 'erasures'>;
  queue: Pick<ArchiveQueue, 'forget'>;
  store: Pick<Store, 'bucket' | 'erase' | 'abortMultipart'>;
  accounts: Pick<Accounts, 'find'>;
  clock: Clock;
  log: Pick<Log, 'info' | 'warn'>;
}

export interface EraserOptions {
  /** Default 2,000. */
  readonly everyMs?: number;
  /** Default 10,000: a job is added within 2 s of its row being marked as fed or not at all. */
  readonly claimAgeMs?: number;
  /** Media whose message is older than this are erased; default: none are. */
  readonly retentionMs?: number | undefined;
}

/** Longer than {@link WORK_MS}: whoever died over an erasure leaves it to others after this. */
const LEASE_MS = 60_000;
const WORK_MS = 40_000;
const BATCH = 50;
const AT_ONCE = 8;
const MARK_BATCH = 200;
const RETENTION_EVERY_MS = 60_000;

export type Eraser = ReturnType<typeof createEraser>;

export function createEraser(deps: EraserDeps, options: EraserOptions = {}) {
  const { catalogue, queue, store, clock, log } = deps;
  const { everyMs = 2_000, claimAgeMs: fedAgeMs = 10_000, retentionMs } = options;
  const soon = () => new Date(clock.now().getTime() + LEASE_MS);
  let retainedAtMs = Number.NEGATIVE_INFINITY;

  /** What the store does not let go of. */
  async function removeObjects(
    { objects, uploadId }: MarkedItem,
    signal: AbortSignal,
  ): Promise<RemainingObject[]> {
    const left: RemainingObject[] = [];
    let failed: unknown;
    for (const at of objects) {
      if (at.bucket !== store.bucket) {
        left.push({ ...at, why: 'otherBucket' });
        continue;
      }
      // Each as far as it goes: what cannot be removed must not keep the rest.
      try {
        // Of whichever of its keys it is; of another the store knows no such upload, which is as good.
        if (uploadId) await store.abortMultipart(at.key, uploadId, signal);
      } catch (error) {
        signal.throwIfAborted();
        failed ??= error;
      }
      try {
        for (const { until, ...kept } of await store.erase(at.key, signal))
          left.push({ ...at, ...kept, ...(until ? { until: until.toISOString() } : {}) });
      } catch (error) {
        signal.throwIfAborted();
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
    return left;
  }

  /**
   * `busy`: as the queue said before the objects were looked at, so that what was stored by then is found. Answers why
   * it is not finished, if it is not.
   */
  async function eraseOne(
    marked: MarkedItem,
    busy: boolean | Error,
    signal: AbortSignal,
    outer: AbortSignal,
  ): Promise<Unfinished | undefined> {
    let unfinished: Unfinished | undefined;
    try {
      const left = await removeObjects(marked, signal);
      if (left.length > 0) unfinished = { why: 'kept', left };
      else if (busy instanceof Error) unfinished = { why: 'trouble', problem: wordsOf(busy) };
      else if (busy || mayBeFed(marked)) unfinished = { why: 'busy' };
    } catch (error) {
      // Whoever asked did not want to wait; that is no trouble.
      unfinished = outer.aborted ? { why: 'busy' } : { why: 'trouble', problem: wordsOf(error) };
    }
    const now = clock.now();
    if (!unfinished) return (await catalogue.mediaErasure.finish(marked, now)) ? undefined : { why: 'busy' };
    if (unfinished.why !== 'busy') log.warn({ id: marked.id, unfinished }, 'an erasure is not finished');
    await catalogue.mediaErasure.postpone(
      marked,
      unfinished,
      decideNextErase(unfinished, marked.since, now),
      now,
    );
    return unfinished;
  }

  /** Its job may be on its way from the feeder to the queue. */
  const mayBeFed = ({ claimedAt: fedAt }: MarkedItem) =>
    fedAt !== undefined && fedAt.getTime() + fedAgeMs > clock.now().getTime();

  /** Goes on with what is in hand. A store or a queue in trouble is no error: the rows say so. */
  async function work(
    taken: readonly MarkedItem[],
    outer: AbortSignal,
  ): Promise<{ finished: number; kept: RemainingObject[] }> {
    const result = { finished: 0, kept: [] as RemainingObject[] };
    if (taken.length === 0) return result;
    const signal = AbortSignal.any([outer, AbortSignal.timeout(WORK_MS)]);
    const busy = await queue.forget(taken, signal).then(
      (ids) => new Set(ids),
      (error: Error) => error,
    );
    const waiting = [...taken];
    const worker = async () => {
      for (let one = waiting.shift(); one; one = waiting.shift()) {
        const isBusy = busy instanceof Set ? busy.has(one.id) : busy;
        const unfinished = await eraseOne(one, isBusy, signal, outer);
        if (!unfinished) result.finished++;
        else if (unfinished.why === 'kept') result.kept.push(...unfinished.left);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return result;
  }

  /** True while there may be more to mark. */
  async function mark(erasure: UnmarkedErasure): Promise<boolean> {
    const account = deps.accounts.find(erasure.account);
    // Configured in another process, perhaps: it will take it up.
    if (!account) return false;
    const openId = decryptAtRest(account, erasure.openIdCiphertext);
    if (openId === undefined) {
      const problem = 'the secret of the account has changed since; ask again for what is left';
      await catalogue.erasures.abandon(erasure.id, problem, clock.now());
      log.warn({ erasure: erasure.id }, problem);
      return false;
    }
    return await catalogue.erasures.markNext(erasure, openId, MARK_BATCH, clock.now());
  }

  /** Marks a batch of the request that has waited longest. */
  async function markOpen(): Promise<boolean> {
    const erasure = await catalogue.erasures.claimUnmarked(clock.now(), soon());
    if (!erasure) return false;
    let more = true;
    for (let batches = 0; more && batches < 20; batches++) more = await mark(erasure);
    return true;
  }

  /** Media past their retention are marked like any other. */
  async function retain(): Promise<boolean> {
    // A clock that is days ahead would erase what is to be kept for days.
    if (retentionMs === undefined || clock.isCertain === false) return false;
    if (performance.now() - retainedAtMs < Math.min(RETENTION_EVERY_MS, retentionMs)) return false;
    const before = new Date(clock.now().getTime() - retentionMs);
    const ids = await catalogue.media.listSentBefore(before, MARK_BATCH);
    const why = { actor: 'retention', reason: 'older than RETENTION' };
    if (ids.length > 0) await catalogue.mediaErasure.erase(ids, why, clock.now());
    if (ids.length < MARK_BATCH) retainedAtMs = performance.now();
    return ids.length > 0;
  }

  /** One round of the sweeper's. Answers whether there was anything to do. */
  async function sweep(signal: AbortSignal): Promise<boolean> {
    const marked = [await markOpen(), await retain()].includes(true);
    const taken = await catalogue.mediaErasure.takeDue(clock.now(), soon(), BATCH);
    const { finished } = await work(taken, signal);
    if (finished > 0) log.info({ erased: finished }, 'media are erased');
    await catalogue.erasures.finishDone(clock.now());
    return marked || finished > 0;
  }

  return {
    /**
     * Erases media by their ids, with what belongs to them, as far as it goes now; the rows tell how far. `kept`:
     * what the store does not let go of.
     */
    erase: async (
      ids: readonly string[],
      why: Requester,
      signal: AbortSignal,
    ): Promise<{ kept: RemainingObject[] }> => {
      const marked = await catalogue.mediaErasure.erase(ids, why, clock.now());
      const taken = await catalogue.mediaErasure.take([...new Set([...ids, ...marked])], soon());
      return await work(taken, signal);
    },

    /**
     * Opens a request for many, and begins with it until `signal` aborts. On disk when it resolves. `openId` wants a
     * configured account: its secret seals it.
     */
    openRequest: async (
      given: Requester & { account: string } & ({ ids: readonly string[] } | { openId: string }),
      signal: AbortSignal,
    ): Promise<{ id: string; notFound: string[] }> => {
      const { account: name, actor, reason } = given;
      let opened: { id: string; notFound: string[] };
      if ('ids' in given) {
        opened = await catalogue.erasures.createForIds(given, clock.now());
      } else {
        const account = deps.accounts.find(name)!;
        const subject = encryptAtRest(account, given.openId);
        const now = clock.now();
        const of = { account: account.account, actor, reason, openIdCiphertext: subject };
        const id = await catalogue.erasures.createForOpenId(of, now, soon());
        const open = { id, ...of, createdAt: now };
        while (!signal.aborted && (await mark(open)));
        opened = { id, notFound: [] };
      }
      while (!signal.aborted) {
        const taken = await catalogue.mediaErasure.takeOfErasure(opened.id, clock.now(), soon(), BATCH);
        if ((await work(taken, signal)).finished === 0) break;
      }
      await catalogue.erasures.finishDone(clock.now());
      return opened;
    },

    sweep,

    /** Goes on until the signal aborts. Never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        const more = await sweep(signal).catch((error) => {
          if (!signal.aborted) log.warn({ err: error }, 'erasing did not get on; the next round does');
          return false;
        });
        if (!more) await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
}

/** What a row may keep of an error: a failure's own words, which hold no address and no secret. */
function wordsOf(error: unknown): string {
  const words =
    error instanceof FailureError ? error.message : `${(error as Error).name}: ${(error as Error).message}`;
  return redact(words).slice(0, 300);
}
