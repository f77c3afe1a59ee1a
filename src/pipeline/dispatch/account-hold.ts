/**
 * Account holds: whether an item may be attempted now. A hold lasts until one item of the account succeeds. When its
 * time is over, one item is the probe, and the others wait for its outcome.
 */
import type { AccountHold } from '../../catalogue/accounts/accounts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Failure } from '../../failures.ts';
import type { Reference } from '../../media.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';

export interface AccountHoldsDeps {
  catalogue: { queue: Pick<Catalogue['queue'], 'requeueHeld'> } & {
    accounts: Pick<Catalogue['accounts'], 'listHolds' | 'hold' | 'takeProbe' | 'endLapsedHold'>;
  };
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'scale' | 'lifetimeMs'>;
  log: Pick<Log, 'info' | 'warn'>;
  /** Rereads secrets that an operator may have corrected. */
  rereadAccounts(): void;
}

/**
 * `proceed`: nothing holds the item, or it is the probe. `pictureOnly`: its deadline is near, and it has a link that
 * needs no account. `requeued`: it went back to the due rows.
 */
export type Admission =
  | { readonly to: 'proceed'; readonly isProbe: boolean }
  | { readonly to: 'pictureOnly'; readonly hold: AccountHold }
  | { readonly to: 'requeued' };

export interface AccountHolds {
  /** Rejects with a DatabaseUnavailableError. */
  admit(job: { id: string; generation: number; reference: Reference }): Promise<Admission>;
  hold(account: string, until: Date, why: Failure): Promise<void>;
  /**
   * WeChat responded about an item, so the account works: ends a hold that has lapsed, unless the attempt started before
   * that hold began.
   */
  reportMediaResponse(account: string, startedAt: Date): Promise<void>;
  /** The same for a call that needs the account as a whole. It ends only a hold for a refusal of the account. */
  reportCallSucceeded(account: string, startedAt: Date): Promise<void>;
  /** Discards what was read, so that the next use reads it again. */
  invalidate(): void;
}

const FRESH_MS = 1_000;
/** Longer than most attempts, and no longer than a probe whose worker died may cost. Real time, as attempts are. */
const PROBE_MS = 30_000;
/** Before the deadline: time for a few thousand pictures, while the account may still recover. */
const PICTURE_MS = 30 * 60_000;
const PICTURE_SHARE = 12;

/** Returns how long before its deadline a picture of a held account is fetched by its link, in milliseconds. */
export function pictureWindowMs({ scale, lifetimeMs }: Pick<Lifetimes, 'scale' | 'lifetimeMs'>): number {
  return Math.min(scale(PICTURE_MS), lifetimeMs / PICTURE_SHARE);
}

export function createAccountHolds(deps: AccountHoldsDeps): AccountHolds {
  const { catalogue, clock, lifetimes, log } = deps;
  let known: ReadonlyMap<string, AccountHold> = new Map();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const startedAtMs = performance.now();
    const holds = await catalogue.accounts.listHolds();
    const before = known;
    known = new Map(holds.map((hold) => [hold.account, hold]));
    readAtMs = startedAtMs;
    // Another process has found that the account works again, perhaps with a secret that this one has not read yet.
    const isOver = (hold: AccountHold) => hold.reason?.class === 'account' && !known.has(hold.account);
    if ([...before.values()].some(isOver)) deps.rereadAccounts();
  }

  async function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    await reading;
  }

  async function holdOf(account: string): Promise<AccountHold | undefined> {
    if (performance.now() - readAtMs > FRESH_MS) await refresh();
    return known.get(account);
  }

  const invalidate = () => {
    readAtMs = Number.NEGATIVE_INFINITY;
  };

  async function reportMediaResponse(account: string, startedAt: Date): Promise<void> {
    if (!known.has(account)) return;
    if (await catalogue.accounts.endLapsedHold(account, clock.now(), startedAt))
      log.info({ account }, 'account: works again, released');
    invalidate();
  }

  return {
    admit: async (job) => {
      const { account } = job.reference;
      const hold = await holdOf(account);
      if (!hold) return { to: 'proceed', isProbe: false };
      const now = clock.now();
      if (isPictureDue(hold, job.reference, now, lifetimes)) return { to: 'pictureOnly', hold };
      if (hold.until <= now) {
        const until = new Date(now.getTime() + PROBE_MS);
        if (await catalogue.accounts.takeProbe(account, job.id, now, until)) {
          if (hold.reason?.class === 'account') deps.rereadAccounts();
          return { to: 'proceed', isProbe: true };
        }
      }
      if (await catalogue.queue.requeueHeld(job)) return { to: 'requeued' };
      // Not held any more, or the row has a later generation: the attempt finds out.
      invalidate();
      return { to: 'proceed', isProbe: false };
    },

    hold: async (account, until, why) => {
      const isNew = await catalogue.accounts.hold(account, until, why, clock.now());
      // One line for each hold, not for each running item and each probe that fails.
      if (isNew) log.warn({ account, until, failure: why }, 'account: held');
      invalidate();
      await refresh();
    },

    reportMediaResponse,

    reportCallSucceeded: async (account, startedAt) => {
      await refresh();
      if (known.get(account)?.reason?.class === 'account') await reportMediaResponse(account, startedAt);
    },

    invalidate,
  };
}

/** The claim in catalogue/queue/claims.ts selects rows by the same rule. */
function isPictureDue(
  hold: AccountHold,
  { kind, picUrl, sentAt }: Reference,
  now: Date,
  lifetimes: Pick<Lifetimes, 'scale' | 'lifetimeMs'>,
): boolean {
  if (kind !== 'image' || picUrl === undefined || hold.until <= now) return false;
  const expiresAtMs = sentAt.getTime() + lifetimes.lifetimeMs;
  if (expiresAtMs > now.getTime() + pictureWindowMs(lifetimes)) return false;
  return hold.reason?.class !== 'minute_limit' || hold.until.getTime() > expiresAtMs;
}
