/** Reads the messages of WeCom customer service, page by page, into rows: after a callback announced some, and hourly. */
import type { Account, Accounts } from '../../account.ts';
import type { ClaimedKfAccount } from '../../catalogue/accounts/kf-cursors.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { type Failure, FailureError, failure } from '../../failures.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import type { KfPage, KfSync } from '../../wechat/customer-service/sync-messages.ts';
import { decryptAtRest } from '../../wechat/tokens/encrypt-at-rest.ts';
import type { AccountHolds } from '../dispatch/account-hold.ts';
import { resolveReference } from './insert-batcher.ts';
import { decideSyncDelayMs, isAccountWide, isCursorSuspect } from './kf-sync-policy.ts';

export interface KfSyncerDeps {
  catalogue: { kfCursors: Pick<Catalogue['kfCursors'], 'claim' | 'commitPage' | 'markFailed' | 'release'> };
  kfSync: KfSync;
  accounts: Pick<Accounts, 'find' | 'all'>;
  holds: Pick<AccountHolds, 'hold' | 'reportCallSucceeded'>;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  random: () => number;
  metrics: Pick<Metrics, 'received' | 'failed' | 'passedOver' | 'backgroundErrors'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Called when new rows are on disk. */
  onAccepted(): void;
  /** Rereads secrets that an operator may have corrected. */
  rereadAccounts(): void;
}

const LOOP = 'kf-sync';
const POLL_MS = 1_000;
/** How long one process may take for a page: longer than a page needs, two token calls included. */
const PAGE_LEASE_MS = 60_000;
/** A page has up to 1,000 messages. Further pages wait for the next turn of this customer-service account. */
const PAGES_IN_A_ROW = 50;
/** A lost callback costs at most an hour of the three days. */
const READ_EVERY_MS = 3_600_000;
/** The callback's token is valid for ten minutes by WeCom's clock. */
const TOKEN_LIFE_MS = 9 * 60_000;
const INVALID_TOKEN = 95007;

export interface KfSyncer {
  /** Reads one customer-service account that is due. Resolves with false where none is. */
  syncOne(signal: AbortSignal): Promise<boolean>;
  /** Reads until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export function createKfSyncer(deps: KfSyncerDeps): KfSyncer {
  const { catalogue, clock, lifetimes, log } = deps;
  const inMs = (ms: number) => new Date(clock.now().getTime() + ms);

  function tokenOf(account: Account, { tokenCiphertext, requestedAt }: ClaimedKfAccount): string | undefined {
    if (!tokenCiphertext || !requestedAt) return undefined;
    if (clock.now().getTime() - requestedAt.getTime() > TOKEN_LIFE_MS) return undefined;
    return decryptAtRest(account, tokenCiphertext);
  }

  function reportSkipped(account: string, { skipped }: KfPage): void {
    const counts: Record<string, number> = {};
    for (const { type, why } of skipped) {
      deps.metrics.passedOver.inc({ type, why });
      counts[`${type} ${why}`] = (counts[`${type} ${why}`] ?? 0) + 1;
    }
    if (skipped.length === 0) return;
    const level = skipped.some(({ why }) => why !== 'no_media') ? 'warn' : 'info';
    log[level]({ account, counts }, 'kf-sync: messages skipped');
  }

  async function read(account: Account, claimed: ClaimedKfAccount, signal: AbortSignal): Promise<void> {
    const { openKfId } = claimed;
    const token = tokenOf(account, claimed);
    // Reading ends where cursors repeat, and where only empty pages follow.
    const cursors = new Set<string>();
    let messages = 0;
    let sync = claimed;
    let from = isCursorSuspect(claimed.failure, claimed.failures) ? undefined : claimed.cursor;
    for (let pages = 1; ; pages++) {
      const page = await deps.kfSync.fetchPage(
        account,
        { openKfId, cursor: from, ...(token ? { token } : {}) },
        signal,
      );
      reportSkipped(account.account, page);
      messages += page.messages;
      const now = clock.now();
      const references = page.references.map((input) => resolveReference(input, deps.accounts, now));
      const { nextCursor } = page;
      const isCycle = page.hasMore && cursors.has(nextCursor);
      const isEndless = page.hasMore && pages >= PAGES_IN_A_ROW && messages === 0;
      if (isCycle || isEndless)
        log.warn({ account: account.account, openKfId, pages }, 'kf-sync: pages without an end');
      cursors.add(nextCursor);
      const hasMore = page.hasMore && !isCycle && !isEndless;
      const more = hasMore && pages < PAGES_IN_A_ROW;
      const accepted = await catalogue.kfCursors.commitPage(
        sync,
        { references, nextCursor },
        now,
        more ? inMs(PAGE_LEASE_MS) : hasMore ? now : undefined,
      );
      // Another process has committed this page, and continues.
      if (!accepted) return;
      const refused = references.length - accepted.length;
      if (refused > 0)
        log.warn({ account: account.account, refused }, 'kf-sync: messages that no row can hold');
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

  /**
   * Schedules the next attempt. Where the account as a whole is refused, it is held like after a failed download, and
   * the next call of this kind is the probe.
   */
  async function fail(
    account: Account,
    claimed: ClaimedKfAccount,
    why: Failure,
    retryAfterMs = 0,
  ): Promise<void> {
    const failures = claimed.failures + 1;
    const waitMs = Math.max(retryAfterMs, lifetimes.scale(decideSyncDelayMs(why, failures, deps.random())));
    const until = inMs(Math.max(POLL_MS, waitMs));
    deps.metrics.failed.inc({ class: why.class, errcode: String(why.errcode ?? '') });
    const next = { until, ofAccount: isAccountWide(why), dropToken: why.errcode === INVALID_TOKEN };
    await catalogue.kfCursors.markFailed(claimed, why, next, clock.now());
    // Once for each kind of failure: where its downloads succeed all the same, they are not held again and again.
    const isNew = claimed.failure?.code !== why.code;
    if (why.class === 'account' && isAccountWide(why) && isNew)
      await deps.holds.hold(account.account, until, why);
    const level = isNew ? 'warn' : 'info';
    log[level](
      { account: account.account, openKfId: claimed.openKfId, failure: why, failures, until },
      'kf-sync: messages not read, retrying later',
    );
  }

  async function syncOne(signal: AbortSignal): Promise<boolean> {
    const wecomAccounts = deps.accounts.all.filter(({ product }) => product === 'wecom');
    const startedAt = clock.now();
    const readBefore = inMs(-lifetimes.scale(READ_EVERY_MS));
    const claimed = await catalogue.kfCursors.claim(
      wecomAccounts.map(({ account }) => account),
      startedAt,
      inMs(PAGE_LEASE_MS),
      readBefore,
    );
    if (claimed?.failure?.class === 'account') deps.rereadAccounts();
    const account = claimed && deps.accounts.find(claimed.account);
    if (!claimed || !account) return false;
    try {
      await read(account, claimed, signal);
      if (claimed.failure?.class === 'account')
        await deps.holds.reportCallSucceeded(account.account, startedAt);
    } catch (error) {
      if (signal.aborted) {
        await catalogue.kfCursors.release(claimed);
        return true;
      }
      const known =
        error instanceof FailureError ? error : failure('internal', String(error), { cause: error });
      if (known.failure.code === 'internal') {
        deps.metrics.backgroundErrors.inc({ loop: LOOP });
        log.error({ err: error, account: account.account }, 'kf-sync: unexpected error, retrying later');
      }
      await fail(account, claimed, known.failure, known.retryAfterMs);
    }
    return true;
  }

  const loop = createPollLoop({
    name: LOOP,
    everyMs: POLL_MS,
    log,
    metrics: deps.metrics,
    sleep: clock.sleep,
    work: async (signal) => ((await syncOne(signal)) ? 0 : undefined),
  });

  return { syncOne, run: loop.run };
}
