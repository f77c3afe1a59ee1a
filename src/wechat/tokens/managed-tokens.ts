/**
 * Tokens that this service requests. All processes share one token per account, which is stored encrypted in the
 * catalogue. One process at a time renews it.
 */
import { randomUUID } from 'node:crypto';
import type { Account } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { untilAborted } from '../../runtime/timeout.ts';
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

/** A stored token. `issuedAt`: when WeChat last returned it. */
export interface StoredToken {
  readonly encrypted: string;
  readonly fingerprint: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** The store through which processes share tokens. The catalogue implements it. */
export interface TokenStore {
  read(account: string): Promise<StoredToken | undefined>;
  /** Resolves with true if the lease was free, had ended, or already belonged to the holder. */
  takeLease(account: string, holder: string, now: Date, until: Date): Promise<boolean>;
  /**
   * Stores a token if the fingerprint of the stored one is `replaces` (null: none is stored yet), and drops the lease.
   * Resolves with false if another process has stored a different token.
   */
  write(account: string, token: StoredToken, replaces: string | null, now: Date): Promise<boolean>;
  dropLease(account: string, holder: string): Promise<void>;
}

export interface AccessToken {
  readonly value: string;
  /** The fingerprint may be logged; the value must not be. */
  readonly fingerprint: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** The account that a token belongs to. A third-party platform's own token is stored like the token of an account. */
export type TokenOwner = Pick<Account, 'account' | 'secret'>;

export interface Tokens<Owner extends TokenOwner = Account> {
  /** Resolves with a token for a call. Rejects with the failure of the token call, or `token_unavailable`. */
  get(owner: Owner, signal: AbortSignal): Promise<AccessToken>;
  /**
   * Reports that WeChat refused this token (class `token`). Afterwards {@link get} returns a newer one, if one exists.
   * Resolves with the delay after which the same call should be repeated; 0: at once. Rejects with a failure of class
   * `account` if replacing the token has not helped (`token_conflict`) or is the task of another program
   * (`supplied_token_refused`), and with the failure of the token call.
   */
  reportRefused(owner: Owner, token: AccessToken, signal: AbortSignal): Promise<{ retryAfterMs: number }>;
  /** Reports that a call with a token of this account succeeded: earlier replacements have helped. Makes no call. */
  reportAccepted(owner: Owner): void;
}

export interface ManagedTokensDeps<Owner> {
  requestToken(owner: Owner, signal: AbortSignal): Promise<IssuedToken>;
  /**
   * The shortest time between two token requests. If a request does not change the token, the pause only saves calls.
   * If a request invalidates the token in use, the pause prevents a burst of 40001 from using up the quota.
   */
  pauseMs(owner: Owner): number;
  store: TokenStore;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'info' | 'warn'>;
}

/** Longer than a token call may take, so that a lease ends only if its holder has died. */
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

  /** Requests a token and stores it. The caller must hold the lease, which is dropped before this function returns. */
  async function requestAndStore(
    account: Owner,
    replaces: string | null,
    signal: AbortSignal,
  ): Promise<AccessToken> {
    let isWritten = false;
    try {
      const { value, expiresInMs } = await deps.requestToken(account, signal);
      const issuedAt = clock.now();
      const expiresAt = new Date(issuedAt.getTime() + expiresInMs);
      const fingerprint = fingerprintOf(value);
      const stored = { encrypted: encryptAtRest(account, value), fingerprint, issuedAt, expiresAt };
      isWritten = await store.write(account.account, stored, replaces, issuedAt);
      if (fingerprint !== replaces) {
        deps.log.info(
          { account: account.account, fingerprint, replaces, expiresAt, isWritten },
          'tokens: new access token',
        );
      }
      // Not written: the lease ended and another process stored a token first. This one is valid too.
      return { value, fingerprint, issuedAt, expiresAt };
    } finally {
      if (!isWritten) await store.dropLease(account.account, holder);
    }
  }

  /**
   * Resolves with the stored token if it `isWanted`; otherwise with a new one, which the holder of the lease requests.
   * While another process holds the lease, the stored token is used if it `isUsableMeanwhile`.
   */
  async function obtain(
    account: Owner,
    isWanted: (token: AccessToken) => boolean,
    isUsableMeanwhile: (token: AccessToken) => boolean,
    signal: AbortSignal,
  ): Promise<AccessToken> {
    for (;;) {
      const before = await readStored(account);
      if (before.token && isWanted(before.token)) return before.token;
      const now = clock.now();
      if (await store.takeLease(account.account, holder, now, new Date(now.getTime() + leaseMs))) {
        // Another process may have stored a token since the token was read.
        const { token, stored } = await readStored(account);
        if (!token || !isWanted(token))
          return await requestAndStore(account, stored?.fingerprint ?? null, signal);
        await store.dropLease(account.account, holder);
        return token;
      }
      if (before.token && isUsableMeanwhile(before.token)) return before.token;
      if (signal.aborted) throw failure('token_unavailable', 'another process holds the lease');
      await clock.sleep(POLL_MS * (1 + Math.random()), signal).catch(() => {});
    }
  }

  /**
   * Starts a request. An account has at most one at a time in this process. A caller that stops waiting does not abort
   * the request for the others.
   */
  function startFlight(
    account: Owner,
    start: (signal: AbortSignal) => Promise<AccessToken>,
  ): Promise<AccessToken> {
    const timeout = AbortSignal.timeout(giveUpMs);
    const flight = start(timeout)
      .then((token) => {
        known.set(account.account, token);
        return token;
      })
      .catch((error: unknown) => {
        throw error === timeout.reason ? failure('token_unavailable', `not within ${giveUpMs} ms`) : error;
      })
      .finally(() => flights.delete(account.account));
    // All callers may have stopped waiting before it rejects.
    flight.catch(() => {});
    flights.set(account.account, flight);
    return flight;
  }

  const isValid = (token: AccessToken) => clock.now() < token.expiresAt;

  /** Renews a token before it expires. If that fails, the current token is used as long as it is valid. */
  async function renewAhead(account: Owner, signal: AbortSignal): Promise<AccessToken> {
    const current = known.get(account.account);
    try {
      const isWanted = (token: AccessToken) => isFresh(token, clock.now(), marginMs);
      return await obtain(account, isWanted, isValid, signal);
    } catch (error) {
      if (!current || !isValid(current)) throw error;
      const code = error instanceof FailureError ? error.failure.code : 'internal';
      deps.log.warn({ account: account.account, code }, 'tokens: renewal failed, using the current token');
      return current;
    }
  }

  /** Returns the replacements within the window after which no call has succeeded. */
  function unhelpfulReplacements(account: Owner): { fingerprint: string; at: Date }[] {
    const since = clock.now().getTime() - deps.lifetimes.scale(CONFLICT_WINDOW_MS);
    const recent = (refusals.get(account.account) ?? []).filter(({ at }) => at.getTime() > since);
    refusals.set(account.account, recent);
    return recent;
  }

  async function reportRefused(
    account: Owner,
    used: AccessToken,
    signal: AbortSignal,
  ): Promise<{ retryAfterMs: number }> {
    signal.throwIfAborted();
    // A running request may already be replacing the refused token. The decision uses the token that is stored after
    // that request.
    const earlier = flights.get(account.account);
    if (earlier !== undefined)
      await untilAborted(
        earlier.catch(() => {}),
        signal,
      );
    const { token: stored } = await readStored(account);
    const recent = unhelpfulReplacements(account);
    const now = clock.now();
    const cure = decideOnRefusedToken({
      usedFingerprint: used.fingerprint,
      stored,
      unhelpfulReplacements: recent.length,
      now,
      pauseMs: deps.pauseMs(account),
    });
    const replacement = { fingerprint: used.fingerprint, at: now };
    // The call is repeated before the pause ends: a valid token that is refused in a burst works again within seconds.
    if (cure.do === 'wait') return { retryAfterMs: Math.min(cure.ms, retrySoonMs) };
    if (cure.do === 'conflict') {
      throw new FailureError({
        code: 'token_conflict',
        class: 'account',
        detail: `${recent.length} replacements`,
      });
    }
    if (cure.do === 'use_stored') {
      if (!recent.some(({ fingerprint }) => fingerprint === used.fingerprint)) recent.push(replacement);
      conflicts.tokenReplaced(account.account, used);
      known.set(account.account, stored!);
      return { retryAfterMs: 0 };
    }
    // Several jobs may report the same token: the first one starts the request, the others wait for it.
    const running = flights.get(account.account);
    const isOther = (token: AccessToken) =>
      token.fingerprint !== used.fingerprint || (stored !== undefined && token.issuedAt > stored.issuedAt);
    const flight =
      running ?? startFlight(account, (timeout) => obtain(account, isOther, () => false, timeout));
    const token = await untilAborted(flight, signal);
    if (!running) recent.push(replacement);
    if (token.fingerprint !== used.fingerprint) {
      conflicts.tokenReplaced(account.account, used);
      return { retryAfterMs: 0 };
    }
    deps.log.warn(
      { account: account.account, fingerprint: used.fingerprint },
      'tokens: refused token confirmed as valid',
    );
    return { retryAfterMs: retrySoonMs };
  }

  return {
    get: async (account, signal) => {
      const token = known.get(account.account);
      if (token && isFresh(token, clock.now(), marginMs)) return token;
      const flight =
        flights.get(account.account) ?? startFlight(account, (timeout) => renewAhead(account, timeout));
      return await untilAborted(flight, signal);
    },
    reportRefused,
    reportAccepted: (account) => {
      refusals.delete(account.account);
    },
  };
}
