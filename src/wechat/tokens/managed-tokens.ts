/** Tokens that we ask for: one per account for all processes, kept sealed in the catalogue, renewed by one at a time. */
import { randomUUID } from 'node:crypto';
import type { Account } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { IssuedToken } from '../api/client.ts';
import { createConflictDetector } from './conflict-detector.ts';
import { decryptAtRest, encryptAtRest, fingerprintOf } from './encrypt-at-rest.ts';
import {
  CONFLICT_WINDOW_MS,
  decideOnRefusedToken,
  isFresh,
  MARGIN_MS,
  REQUEST_PAUSE_MS,
} from './refresh-policy.ts';

/** A token as it is kept: opaque but for its fingerprint. `issuedAt`: when the platform last handed it out. */
export interface StoredToken {
  readonly encrypted: string;
  readonly fingerprint: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** Where processes share tokens. Implemented by the catalogue. */
export interface TokenStore {
  read(account: string): Promise<StoredToken | undefined>;
  /** True where the lease was free, lapsed or already the holder's. */
  takeLease(account: string, holder: string, now: Date, until: Date): Promise<boolean>;
  /** Compare-and-set on the fingerprint (null: none stored yet); clears the lease. */
  write(account: string, token: StoredToken, replaces: string | null, now: Date): Promise<boolean>;
  dropLease(account: string, holder: string): Promise<void>;
}

export interface AccessToken {
  readonly value: string;
  /** May be logged; the value may not. */
  readonly fingerprint: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** Whose token it is. A third-party platform's own token is kept like an account's. */
export type TokenOwner = Pick<Account, 'account' | 'secret'>;

export interface Tokens<Owner extends TokenOwner = Account> {
  /** A token to call with. Rejects with the failure of the token call, or `token_unavailable`. */
  get(owner: Owner, signal: AbortSignal): Promise<AccessToken>;
  /**
   * WeChat refused this token (class `token`). Afterwards {@link get} answers with a better one, if there is any.
   * `retryAfterMs`: when the same call is worth another try; 0 is at once. Rejects with a failure of class account
   * where replacing has not helped (`token_conflict`) or is not ours to do (`supplied_token_refused`), and with the
   * token call's own failure.
   */
  reportRefused(owner: Owner, token: AccessToken, signal: AbortSignal): Promise<{ retryAfterMs: number }>;
  /** A call with a token of this account succeeded: earlier replacements have helped. Costs nothing. */
  reportAccepted(owner: Owner): void;
}

export interface ManagedTokensDeps<Owner> {
  requestToken(owner: Owner, signal: AbortSignal): Promise<IssuedToken>;
  /**
   * For so long after the platform handed a token out it is not asked again. Where asking changes nothing this is
   * only politeness; where asking voids the token in use it is what keeps a burst of 40001 from eating the quota.
   */
  pauseMs(owner: Owner): number;
  store: TokenStore;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'info' | 'warn'>;
}

/** Longer than a token call may take, so that a lease lapses only under a holder that died. */
const LEASE_MS = 15_000;
const GIVE_UP_MS = 20_000;
const POLL_MS = 100;

export interface ManagedTokensOptions {
  readonly leaseMs?: number;
  readonly giveUpMs?: number;
}

export function createManagedTokens<Owner extends TokenOwner>(
  deps: ManagedTokensDeps<Owner>,
  { leaseMs = LEASE_MS, giveUpMs = GIVE_UP_MS }: ManagedTokensOptions = {},
): Tokens<Owner> {
  const { store, clock } = deps;
  const holder = randomUUID();
  const marginMs = deps.lifetimes.scale(MARGIN_MS);
  const retrySoonMs = deps.lifetimes.scale(REQUEST_PAUSE_MS);
  const known = new Map<string, AccessToken>();
  const flights = new Map<string, Promise<AccessToken>>();
  const refusals = new Map<string, { fingerprint: string; at: Date }[]>();
  const conflicts = createConflictDetector(deps);

  async function readStored(account: Owner): Promise<{ token?: AccessToken; stored?: StoredToken }> {
    const stored = await store.read(account.account);
    const value = stored && decryptAtRest(account, stored.encrypted);
    if (!stored || value === undefined) return stored ? { stored } : {};
    const { fingerprint, issuedAt, expiresAt } = stored;
    return { stored, token: { value, fingerprint, issuedAt, expiresAt } };
  }

  /** Asks the platform and shares the answer. The lease is ours when this is called, and gone when it returns. */
  async function ask(account: Owner, replaces: string | null, signal: AbortSignal): Promise<AccessToken> {
    let written = false;
    try {
      const { value, expiresInMs } = await deps.requestToken(account, signal);
      const issuedAt = clock.now();
      const expiresAt = new Date(issuedAt.getTime() + expiresInMs);
      const fingerprint = fingerprintOf(value);
      const stored = { encrypted: encryptAtRest(account, value), fingerprint, issuedAt, expiresAt };
      written = await store.write(account.account, stored, replaces, issuedAt);
      if (fingerprint !== replaces) {
        deps.log.info(
          { account: account.account, fingerprint, replaces, expiresAt, written },
          'new access token',
        );
      }
      // Not written: we outlived our lease and somebody wrote before us. Theirs is shared, ours is as good.
      return { value, fingerprint, issuedAt, expiresAt };
    } finally {
      if (!written) await store.dropLease(account.account, holder);
    }
  }

  /** Shared if it is what is wanted, else asked for by whoever gets the lease. `meanwhile` is used rather than wait. */
  async function obtain(
    account: Owner,
    isWanted: (token: AccessToken) => boolean,
    meanwhile: (token: AccessToken) => boolean,
    signal: AbortSignal,
  ): Promise<AccessToken> {
    for (;;) {
      const before = await readStored(account);
      if (before.token && isWanted(before.token)) return before.token;
      const now = clock.now();
      if (await store.takeLease(account.account, holder, now, new Date(now.getTime() + leaseMs))) {
        // Between the reading and the lease another may have come and gone.
        const { token, stored } = await readStored(account);
        if (!token || !isWanted(token)) return await ask(account, stored?.fingerprint ?? null, signal);
        await store.dropLease(account.account, holder);
        return token;
      }
      if (before.token && meanwhile(before.token)) return before.token;
      if (signal.aborted) throw failure('token_unavailable', 'another process holds the lease');
      await clock.sleep(POLL_MS * (1 + Math.random()), signal).catch(() => {});
    }
  }

  /** One flight per account in this process; who joins it may leave it by `signal` without ending it for others. */
  function startFlight(
    account: Owner,
    start: (signal: AbortSignal) => Promise<AccessToken>,
  ): Promise<AccessToken> {
    const limit = AbortSignal.timeout(giveUpMs);
    const flight = start(limit)
      .then((token) => {
        known.set(account.account, token);
        return token;
      })
      .catch((error: unknown) => {
        throw error === limit.reason ? failure('token_unavailable', `not within ${giveUpMs} ms`) : error;
      })
      .finally(() => flights.delete(account.account));
    flight.catch(() => {}); // Everybody may have left by then.
    flights.set(account.account, flight);
    return flight;
  }

  const isAlive = (token: AccessToken) => clock.now() < token.expiresAt;

  async function renewAhead(account: Owner, signal: AbortSignal): Promise<AccessToken> {
    const current = known.get(account.account);
    try {
      const isWanted = (token: AccessToken) => isFresh(token, clock.now(), marginMs);
      return await obtain(account, isWanted, isAlive, signal);
    } catch (error) {
      if (!current || !isAlive(current)) throw error;
      const code = error instanceof FailureError ? error.failure.code : 'internal';
      deps.log.warn({ account: account.account, code }, 'access token not renewed ahead of its end');
      return current;
    }
  }

  function unhelpful(account: Owner): { fingerprint: string; at: Date }[] {
    const since = clock.now().getTime() - deps.lifetimes.scale(CONFLICT_WINDOW_MS);
    const recent = (refusals.get(account.account) ?? []).filter(({ at }) => at.getTime() > since);
    refusals.set(account.account, recent);
    return recent;
  }

  async function reportBad(
    account: Owner,
    used: AccessToken,
    signal: AbortSignal,
  ): Promise<{ retryAfterMs: number }> {
    // Who renews already may be curing this very refusal; only what is shared afterwards counts.
    await leaving(
      flights.get(account.account)?.catch(() => {}),
      signal,
    );
    const { token: shared } = await readStored(account);
    const recent = unhelpful(account);
    const now = clock.now();
    const cure = decideOnRefusedToken({
      usedFingerprint: used.fingerprint,
      stored: shared,
      unhelpful: recent.length,
      now,
      pauseMs: deps.pauseMs(account),
    });
    const note = { fingerprint: used.fingerprint, at: now };
    // Sooner than the pause ends: a good token refused under burst works again within seconds.
    if (cure.do === 'wait') return { retryAfterMs: Math.min(cure.ms, retrySoonMs) };
    if (cure.do === 'conflict') {
      throw new FailureError({
        code: 'token_conflict',
        class: 'account',
        detail: `${recent.length} replacements`,
      });
    }
    if (cure.do === 'use_shared') {
      if (!recent.some(({ fingerprint }) => fingerprint === used.fingerprint)) recent.push(note);
      conflicts.tokenReplaced(account.account, used);
      known.set(account.account, shared!);
      return { retryAfterMs: 0 };
    }
    // Several jobs may have read the same refused token; the first to get here flies, the others come along.
    const running = flights.get(account.account);
    const isOther = (token: AccessToken) =>
      token.fingerprint !== used.fingerprint || (shared !== undefined && token.issuedAt > shared.issuedAt);
    const flight = running ?? startFlight(account, (limit) => obtain(account, isOther, () => false, limit));
    const token = await leaving(flight, signal);
    if (!running) recent.push(note);
    if (token.fingerprint !== used.fingerprint) {
      conflicts.tokenReplaced(account.account, used);
      return { retryAfterMs: 0 };
    }
    deps.log.warn(
      { account: account.account, fingerprint: used.fingerprint },
      'refused token confirmed as valid',
    );
    return { retryAfterMs: retrySoonMs };
  }

  return {
    get: async (account, signal) => {
      const token = known.get(account.account);
      if (token && isFresh(token, clock.now(), marginMs)) return token;
      const flight =
        flights.get(account.account) ?? startFlight(account, (limit) => renewAhead(account, limit));
      return await leaving(flight, signal);
    },
    reportRefused: reportBad,
    reportAccepted: (account) => {
      refusals.delete(account.account);
    },
  };
}

/** Waits for `promise`, or until `signal` says to wait no longer. */
export async function leaving<T>(promise: Promise<T>, signal: AbortSignal): Promise<T>;
export async function leaving<T>(
  promise: Promise<T> | undefined,
  signal: AbortSignal,
): Promise<T | undefined>;
export async function leaving<T>(
  promise: Promise<T> | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  signal.throwIfAborted();
  if (!promise) return undefined;
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(signal.reason);
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([promise, left.promise]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
