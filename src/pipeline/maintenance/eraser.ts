/**
 * Erases items: an item is marked, so that dispatcher, attempts and repeats skip it; then its jobs are removed and its
 * objects deleted; then its row is finished. Each step is idempotent, so the request itself and after it the loop of
 * eraser-loop.ts continue an unfinished erasure until nothing is left.
 */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { UnmarkedErasure } from '../../catalogue/erasure/erasures.ts';
import type {
  MarkedItem,
  RemainingObject,
  Requester,
  Unfinished,
} from '../../catalogue/erasure/media-erasure.ts';
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
  queue: Pick<ArchiveQueue, 'remove'>;
  store: Pick<Store, 'bucket' | 'erase' | 'abortMultipart'>;
  accounts: Pick<Accounts, 'find'>;
  clock: Clock;
  log: Pick<Log, 'info' | 'warn'>;
}

export interface EraserOptions {
  /** Default 10,000: a job is added within 2 s of the claim of its row or not at all. */
  readonly claimAgeMs?: number;
  /** Items whose message is older than this are erased. Default: none are. */
  readonly retentionMs?: number | undefined;
}

/** Longer than {@link WORK_MS}: after this another process continues the erasure of a process that died. */
const LEASE_MS = 60_000;
const WORK_MS = 40_000;
const BATCH = 50;
const AT_ONCE = 8;
const MARK_BATCH = 200;
const RETENTION_EVERY_MS = 60_000;

export type EraseRequest = Requester & { account: string } & (
    | { ids: readonly string[] }
    | { openId: string }
  );

export interface Eraser {
  /**
   * Erases items by their ids, with what belongs to them, as far as possible now; the rows record the rest. `kept`: the
   * objects that the store does not delete.
   */
  erase(ids: readonly string[], why: Requester, signal: AbortSignal): Promise<{ kept: RemainingObject[] }>;
  /**
   * Opens an erasure of many items and works on it until `signal` aborts. On disk when it resolves. With `openId` the
   * account must be configured: its secret encrypts the openId.
   */
  openRequest(request: EraseRequest, signal: AbortSignal): Promise<{ id: string; notFound: string[] }>;
  /** Continues open erasures and erases what is past its retention. Resolves with whether there was anything to do. */
  sweep(signal: AbortSignal): Promise<boolean>;
}

export function createEraser(deps: EraserDeps, options: EraserOptions = {}): Eraser {
  const { catalogue, queue, store, clock, log } = deps;
  const { claimAgeMs = 10_000, retentionMs } = options;
  const leaseEnd = () => new Date(clock.now().getTime() + LEASE_MS);
  let retainedAtMs = Number.NEGATIVE_INFINITY;

  /** Resolves with the objects that the store does not delete. */
  async function deleteObjects(
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
      // An object that cannot be deleted must not keep the others.
      try {
        // The upload belongs to one of the keys. For the others the store knows no such upload, which is no error.
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
   * `busy`: the queue's response from before the objects are read, so that what was stored by then is found. Resolves
   * with the reason why the erasure is not finished, or with undefined.
   */
  async function eraseOne(
    marked: MarkedItem,
    busy: boolean | Error,
    signal: AbortSignal,
    outer: AbortSignal,
  ): Promise<Unfinished | undefined> {
    let unfinished: Unfinished | undefined;
    try {
      const left = await deleteObjects(marked, signal);
      if (left.length > 0) unfinished = { why: 'kept', left };
      else if (busy instanceof Error) unfinished = { why: 'failure', problem: describeError(busy) };
      else if (busy || mayBeDispatched(marked)) unfinished = { why: 'busy' };
    } catch (error) {
      // The caller did not want to wait: that is no error.
      unfinished = outer.aborted ? { why: 'busy' } : { why: 'failure', problem: describeError(error) };
    }
    const now = clock.now();
    if (!unfinished) return (await catalogue.mediaErasure.finish(marked, now)) ? undefined : { why: 'busy' };
    if (unfinished.why !== 'busy')
      log.warn({ id: marked.id, unfinished }, 'eraser: erasure not finished, retrying later');
    await catalogue.mediaErasure.postpone(
      marked,
      unfinished,
      decideNextErase(unfinished, marked.since, now),
      now,
    );
    return unfinished;
  }

  /** Whether its job may be on the way from the dispatcher to the queue. */
  const mayBeDispatched = ({ claimedAt }: MarkedItem) =>
    claimedAt !== undefined && claimedAt.getTime() + claimAgeMs > clock.now().getTime();

  /** Erases what this process has taken. An error of the store or the queue is recorded in the rows and not thrown. */
  async function work(
    taken: readonly MarkedItem[],
    outer: AbortSignal,
  ): Promise<{ finished: number; kept: RemainingObject[] }> {
    const result = { finished: 0, kept: [] as RemainingObject[] };
    if (taken.length === 0) return result;
    const signal = AbortSignal.any([outer, AbortSignal.timeout(WORK_MS)]);
    const busy = await queue.remove(taken, signal).then(
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

  /** Resolves with true while there may be more to mark. */
  async function mark(erasure: UnmarkedErasure): Promise<boolean> {
    const account = deps.accounts.find(erasure.account);
    // Another process may have it in its configuration, and will continue.
    if (!account) return false;
    const openId = decryptAtRest(account, erasure.openIdCiphertext);
    if (openId === undefined) {
      const problem = 'the secret of the account has changed since; ask again for what is left';
      await catalogue.erasures.abandon(erasure.id, problem, clock.now());
      log.warn({ erasure: erasure.id, problem }, 'eraser: erasure given up');
      return false;
    }
    return await catalogue.erasures.markNext(erasure, openId, MARK_BATCH, clock.now());
  }

  /** Marks items of the erasure that has waited longest. */
  async function markOpen(): Promise<boolean> {
    const erasure = await catalogue.erasures.claimUnmarked(clock.now(), leaseEnd());
    if (!erasure) return false;
    let more = true;
    for (let batches = 0; more && batches < 20; batches++) more = await mark(erasure);
    return true;
  }

  /** Marks items past their retention like any other. */
  async function retain(): Promise<boolean> {
    // A clock that is days ahead would erase items days too early.
    if (retentionMs === undefined || clock.isCertain === false) return false;
    if (performance.now() - retainedAtMs < Math.min(RETENTION_EVERY_MS, retentionMs)) return false;
    const before = new Date(clock.now().getTime() - retentionMs);
    const ids = await catalogue.media.listSentBefore(before, MARK_BATCH);
    const why = { actor: 'retention', reason: 'older than RETENTION' };
    if (ids.length > 0) await catalogue.mediaErasure.erase(ids, why, clock.now());
    if (ids.length < MARK_BATCH) retainedAtMs = performance.now();
    return ids.length > 0;
  }

  async function open(
    request: EraseRequest,
    signal: AbortSignal,
  ): Promise<{ id: string; notFound: string[] }> {
    if ('ids' in request) return await catalogue.erasures.createForIds(request, clock.now());
    const { actor, reason } = request;
    const account = deps.accounts.find(request.account)!;
    const openIdCiphertext = encryptAtRest(account, request.openId);
    const now = clock.now();
    const erasure = { account: account.account, actor, reason, openIdCiphertext };
    const id = await catalogue.erasures.createForOpenId(erasure, now, leaseEnd());
    while (!signal.aborted && (await mark({ id, ...erasure, createdAt: now })));
    return { id, notFound: [] };
  }

  async function sweep(signal: AbortSignal): Promise<boolean> {
    const marked = [await markOpen(), await retain()].includes(true);
    const taken = await catalogue.mediaErasure.takeDue(clock.now(), leaseEnd(), BATCH);
    const { finished } = await work(taken, signal);
    if (finished > 0) log.info({ erased: finished }, 'eraser: items erased');
    await catalogue.erasures.finishDone(clock.now());
    return marked || finished > 0;
  }

  return {
    erase: async (ids, why, signal) => {
      const marked = await catalogue.mediaErasure.erase(ids, why, clock.now());
      const taken = await catalogue.mediaErasure.take([...new Set([...ids, ...marked])], leaseEnd());
      return await work(taken, signal);
    },

    openRequest: async (request, signal) => {
      const opened = await open(request, signal);
      while (!signal.aborted) {
        const taken = await catalogue.mediaErasure.takeOfErasure(opened.id, clock.now(), leaseEnd(), BATCH);
        if ((await work(taken, signal)).finished === 0) break;
      }
      await catalogue.erasures.finishDone(clock.now());
      return opened;
    },

    sweep,
  };
}

/** Returns what a row may keep of an error: a failure's own text, which holds no address and no secret. */
function describeError(error: unknown): string {
  const text =
    error instanceof FailureError ? error.message : `${(error as Error).name}: ${(error as Error).message}`;
  return redact(text).slice(0, 300);
}
