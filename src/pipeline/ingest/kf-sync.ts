/** Reads the messages of WeCom customer service, page by page, into rows: when a callback spoke of some, and each hour. */
import type { Account, Accounts } from '../../account.ts';
import type { WantedSync } from '../../catalogue/accounts/kf-cursors.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { type Failure, FailureError, failure } from '../../failures.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { KfPage, KfSync } from '../../wechat/customer-service/sync-messages.ts';
import { decryptAtRest } from '../../wechat/tokens/encrypt-at-rest.ts';
import type { AccountHolds } from '../dispatch/account-hold.ts';
import { resolveReference } from './insert-batcher.ts';
import { decideSyncDelayMs, isAccountWide, isCursorSuspect } from './kf-sync-policy.ts';

export interface KfSyncerDeps {
  catalogue: { kfSyncs: Pick<Catalogue['kfSyncs'], 'take' | 'commitPage' | 'failed' | 'giveBack'> };
  kfSync: KfSync;
  accounts: Pick<Accounts, 'find' | 'all'>;
  holds: Pick<AccountHolds, 'hold' | 'reportCallSucceeded'>;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  random: () => number;
  metrics: Pick<Metrics, 'received' | 'failed' | 'passedOver'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** New rows are on disk. */
  onAccepted(): void;
  /** Reads secrets again that somebody may have corrected. */
  rereadAccounts(): void;
}

const LOOK_MS = 1_000;
/** Longer than a page takes, two token calls included. */
const PAGE_MS = 60_000;
/** A thousand messages each: what comes after waits for its next turn. */
const PAGES_IN_A_ROW = 50;
/** A lost callback costs an hour of three days. */
const READ_EVERY_MS = 3_600_000;
/** The callback's token is good for ten minutes by WeCom's clock. */
const TOKEN_LIFE_MS = 9 * 60_000;
const INVALID_TOKEN = 95007;

export function createKfSyncer(deps: KfSyncerDeps) {
  const { catalogue, clock, lifetimes, log } = deps;
  const inMs = (ms: number) => new Date(clock.now().getTime() + ms);

  function tokenOf(account: Account, { token, wantedAt }: WantedSync): string | undefined {
    if (!token || !wantedAt || clock.now().getTime() - wantedAt.getTime() > TOKEN_LIFE_MS) return undefined;
    return decryptAtRest(account, token);
  }

  function notePassedOver(account: string, { skipped: passedOver }: KfPage): void {
    const counts: Record<string, number> = {};
    for (const { type, why } of passedOver) {
      deps.metrics.passedOver.inc({ type, why });
      counts[`${type} ${why}`] = (counts[`${type} ${why}`] ?? 0) + 1;
    }
    const isLoss = passedOver.some(({ why }) => why !== 'no_media');
    if (isLoss) log.warn({ account, counts }, 'customer service: messages passed over');
    else if (passedOver.length > 0) log.info({ account, counts }, 'customer service: messages passed over');
  }

  async function read(account: Account, wanted: WantedSync, signal: AbortSignal): Promise<void> {
    const { openKfId } = wanted;
    const token = tokenOf(account, wanted);
    // Pages behind a cursor that goes round in a circle, or empty ones without an end, are not asked for ever.
    const cursors = new Set<string>();
    let messages = 0;
    let sync = wanted;
    let from = isCursorSuspect(wanted.failure, wanted.failures) ? undefined : wanted.cursor;
    for (let pages = 1; ; pages++) {
      const page = await deps.kfSync.fetchPage(
        account,
        { openKfId, cursor: from, ...(token ? { token } : {}) },
        signal,
      );
      notePassedOver(account.account, page);
      messages += page.messages;
      const now = clock.now();
      const references = page.references.map((input) => resolveReference(input, deps.accounts, now));
      const { nextCursor } = page;
      const isCircle = page.hasMore && cursors.has(nextCursor);
      const isIdle = page.hasMore && pages >= PAGES_IN_A_ROW && messages === 0;
      if (isCircle || isIdle)
        log.warn({ account: account.account, openKfId, pages }, 'customer service: pages without an end');
      cursors.add(nextCursor);
      const hasMore = page.hasMore && !isCircle && !isIdle;
      const more = hasMore && pages < PAGES_IN_A_ROW;
      const accepted = await catalogue.kfSyncs.commitPage(
        sync,
        { references, nextCursor },
        now,
        more ? inMs(PAGE_MS) : hasMore ? now : undefined,
      );
      // Another process was faster: it goes on.
      if (!accepted) return;
      const refused = references.length - accepted.length;
      if (refused > 0)
        log.warn({ account: account.account, refused }, 'customer service: messages that no row can hold');
      const created = accepted.filter((one) => one.created).length;
      if (created > 0) {
        deps.metrics.received.inc(created);
        deps.onAccepted();
      }
      if (!more) return;
      const { cursor: _, ...rest } = sync;
      sync = { ...rest, ...(nextCursor ? { cursor: nextCursor } : {}) };
      from = nextCursor || undefined;
    }
  }

  /** The account waits as a whole where it is refused as a whole, as after a media; then this is the probe. */
  async function fail(account: Account, wanted: WantedSync, why: Failure, retryAfterMs = 0): Promise<void> {
    const failures = wanted.failures + 1;
    const waitMs = Math.max(retryAfterMs, lifetimes.scale(decideSyncDelayMs(why, failures, deps.random())));
    const until = inMs(Math.max(LOOK_MS, waitMs));
    deps.metrics.failed.inc({ class: why.class, errcode: String(why.errcode ?? '') });
    const next = { until, ofAccount: isAccountWide(why), dropToken: why.errcode === INVALID_TOKEN };
    await catalogue.kfSyncs.failed(wanted, why, next, clock.now());
    // Once: where its media get through all the same, they are not held up again and again.
    const isNew = wanted.failure?.code !== why.code;
    if (why.class === 'account' && isAccountWide(why) && isNew)
      await deps.holds.hold(account.account, until, why);
    const level = isNew ? 'warn' : 'info';
    log[level](
      { account: account.account, openKfId: wanted.openKfId, failure: why, failures, until },
      'customer service: messages could not be read',
    );
  }

  /** Reads one customer-service account, if one is wanted; false: none is. */
  async function syncOne(signal: AbortSignal): Promise<boolean> {
    const mine = deps.accounts.all.filter(({ product }) => product === 'wecom');
    const readBefore = inMs(-lifetimes.scale(READ_EVERY_MS));
    const wanted = await catalogue.kfSyncs.take(
      mine.map(({ account }) => account),
      clock.now(),
      inMs(PAGE_MS),
      readBefore,
    );
    if (wanted?.failure?.class === 'account') deps.rereadAccounts();
    const account = wanted && deps.accounts.find(wanted.account);
    if (!wanted || !account) return false;
    try {
      await read(account, wanted, signal);
      if (wanted.failure?.class === 'account') await deps.holds.reportCallSucceeded(account.account);
    } catch (error) {
      if (signal.aborted) {
        await catalogue.kfSyncs.giveBack(wanted);
        return true;
      }
      const known =
        error instanceof FailureError ? error : failure('internal', String(error), { cause: error });
      if (known.failure.code === 'internal')
        log.error({ err: error, account: account.account }, 'customer service: unexpected error');
      await fail(account, wanted, known.failure, known.retryAfterMs);
    }
    return true;
  }

  return {
    syncOne,
    /** Until the signal aborts. Never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      let saidAt = Number.NEGATIVE_INFINITY;
      while (!signal.aborted) {
        const busy = await syncOne(signal).catch((error: unknown) => {
          if (!signal.aborted && performance.now() - saidAt > 60_000) {
            saidAt = performance.now();
            log.warn({ err: error }, 'customer service: the catalogue cannot be asked, retrying');
          }
          return false;
        });
        if (!busy) await clock.sleep(LOOK_MS, signal).catch(() => undefined);
      }
    },
  };
}
