/**
 * Accounts that wait as a whole: whether a media may be tried now. A hold lasts until one media of the account got
 * through; when its time is up one goes first, and the others wait for what becomes of it.
 */
import type { AccountHold } from '../../catalogue/accounts/accounts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Failure } from '../../failures.ts';
import type { Reference } from '../../media.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';

export interface AccountHoldsDeps {
  catalogue: { queue: Pick<Catalogue['queue'], 'requeueHeld'> } & {
    accounts: Pick<Catalogue['accounts'], 'holds' | 'hold' | 'takeProbe' | 'lift'>;
  };
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'scale' | 'lifetimeMs'>;
  log: Pick<Log, 'info' | 'warn'>;
  /** Reads secrets again that somebody may have corrected. */
  rereadAccounts(): void;
}

/**
 * `go`: nothing holds it, or it is the one that is tried for all. `picture`: its deadline is near, and it has a link
 * that needs no account. `later`: it is back among the due.
 */
export type Admission =
  | { readonly to: 'go'; readonly isProbe: boolean }
  | { readonly to: 'picture'; readonly hold: AccountHold }
  | { readonly to: 'later' };

export interface AccountHolds {
  /** Rejects with a DatabaseAwayError. */
  admit(job: { id: string; round: number; reference: Reference }): Promise<Admission>;
  hold(account: string, until: Date, why: Failure): Promise<void>;
  /** WeChat answered about a media: the account as a whole is well. */
  reportMediaResponse(account: string): Promise<void>;
  /** A call that was refused for the account as a whole is answered again. Ends such a hold, once it has lapsed. */
  reportCallSucceeded(account: string): Promise<void>;
  /** What is known is not true any more. */
  invalidate(): void;
}

const FRESH_MS = 1_000;
/** Longer than most tries, and no longer than a probe whose worker died may cost. Real time, as tries are. */
const PROBE_MS = 30_000;
/** Before the deadline: time for a few thousand pictures, and a last chance for the account to recover. */
const PICTURE_MS = 30 * 60_000;
const PICTURE_SHARE = 12;

/** How long before its deadline a picture of a held account is fetched by its link. */
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
    const holds = await catalogue.accounts.holds();
    const before = known;
    known = new Map(holds.map((hold) => [hold.account, hold]));
    readAtMs = startedAtMs;
    // Another process has found that it works again, perhaps with a secret that this one has not read yet.
    const isOver = (hold: AccountHold) => hold.why?.class === 'account' && !known.has(hold.account);
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

  const forget = () => {
    readAtMs = Number.NEGATIVE_INFINITY;
  };

  async function answered(account: string): Promise<void> {
    if (!known.has(account)) return;
    if (await catalogue.accounts.lift(account, clock.now())) log.info({ account }, 'the account works again');
    forget();
  }

  return {
    admit: async (job) => {
      const { account } = job.reference;
      const hold = await holdOf(account);
      if (!hold) return { to: 'go', isProbe: false };
      const now = clock.now();
      if (isPictureDue(hold, job.reference, now, lifetimes)) return { to: 'picture', hold };
      if (hold.until <= now) {
        const until = new Date(now.getTime() + PROBE_MS);
        if (await catalogue.accounts.takeProbe(account, job.id, now, until)) {
          if (hold.why?.class === 'account') deps.rereadAccounts();
          return { to: 'go', isProbe: true };
        }
      }
      if (await catalogue.queue.requeueHeld(job)) return { to: 'later' };
      // Not held any more, or the row is not this round's; the try finds out.
      forget();
      return { to: 'go', isProbe: false };
    },

    hold: async (account, until, why) => {
      const isNew = await catalogue.accounts.hold(account, until, why, clock.now());
      // Once, not for each of its media in hand and each probe that fails.
      if (isNew) log.warn({ account, until, failure: why }, 'the account is held');
      forget();
      await refresh();
    },

    reportMediaResponse: answered,

    reportCallSucceeded: async (account) => {
      await refresh();
      if (known.get(account)?.why?.class === 'account') await answered(account);
    },

    invalidate: forget,
  };
}

/** The same rule chooses rows in feeding.ts. */
function isPictureDue(
  hold: AccountHold,
  { kind, picUrl, sentAt }: Reference,
  now: Date,
  lifetimes: Pick<Lifetimes, 'scale' | 'lifetimeMs'>,
): boolean {
  if (kind !== 'image' || picUrl === undefined || hold.until <= now) return false;
  const expiresAtMs = sentAt.getTime() + lifetimes.lifetimeMs;
  if (expiresAtMs > now.getTime() + pictureWindowMs(lifetimes)) return false;
  return hold.why?.class !== 'minute_limit' || hold.until.getTime() > expiresAtMs;
}
