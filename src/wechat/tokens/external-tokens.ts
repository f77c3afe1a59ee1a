/**
 * Tokens that belong to somebody else: read from a Redis, an HTTP service or the configuration, and never refreshed
 * by us. Where one is refused, its owner is told if there is a way to, and what it supplies is read again.
 */
import { type Account, tokenSourceOf } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { isToken } from '../api/client.ts';
import { fingerprintOf } from './encrypt-at-rest.ts';
import { createHttpTokenSource } from './http-source.ts';
import { type AccessToken, leaving, type Tokens } from './managed-tokens.ts';
import type { ExternalToken } from './parse-external-token.ts';
import { createRedisTokenSource } from './redis-source.ts';
import { CONFLICT_LIMIT, CONFLICT_WINDOW_MS, REQUEST_PAUSE_MS } from './refresh-policy.ts';

export interface ExternalTokensDeps {
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'info' | 'warn'>;
}

/** The owner may replace its token at any time; an old one works for five minutes more. */
const RECHECK_MS = 10_000;
/** A token whose end is unknown is read again long before this anyway. */
const ASSUMED_LIFE_MS = 7_200_000;

interface Refused {
  /** Refusals at least a pause apart, of whatever tokens the owner supplied. */
  readonly at: Date[];
  readonly fingerprints: Set<string>;
}

export function createExternalTokens(deps: ExternalTokensDeps): Tokens & { close(): Promise<void> } {
  const { clock, log } = deps;
  const redis = createRedisTokenSource(log);
  const service = createHttpTokenSource();
  const rereadMs = deps.lifetimes.scale(RECHECK_MS);
  const pauseMs = deps.lifetimes.scale(REQUEST_PAUSE_MS);
  const known = new Map<string, { token: AccessToken; readAt: Date }>();
  const flights = new Map<string, Promise<AccessToken>>();
  const refused = new Map<string, Refused>();

  async function ask(account: Account, now: Date): Promise<ExternalToken> {
    const source = tokenSourceOf(account);
    switch (source.type) {
      case 'redis':
        return await redis.read(source, now);
      case 'http':
        return await service.read(source, now);
      case 'static':
        if (isToken(source.accessToken)) return { value: source.accessToken, expiresAt: undefined };
    }
    throw failure('token_unavailable', 'no token is supplied');
  }

  async function readAgain(account: Account): Promise<AccessToken> {
    const now = clock.now();
    const supplied = await ask(account, now);
    const fingerprint = fingerprintOf(supplied.value);
    const before = known.get(account.account)?.token;
    const issuedAt = before?.fingerprint === fingerprint ? before.issuedAt : now;
    const expiresAt = supplied.expiresAt ?? new Date(now.getTime() + ASSUMED_LIFE_MS);
    if (expiresAt <= now) throw failure('token_unavailable', 'the supplied token has expired');
    const token = { value: supplied.value, fingerprint, issuedAt, expiresAt };
    if (before?.fingerprint !== fingerprint)
      log.info({ account: account.account, fingerprint, expiresAt }, 'supplied access token');
    known.set(account.account, { token, readAt: now });
    return token;
  }

  /** One reading per account at a time; who waits for it may leave. */
  function read(account: Account, signal: AbortSignal): Promise<AccessToken> {
    const flight =
      flights.get(account.account) ?? readAgain(account).finally(() => flights.delete(account.account));
    flight.catch(() => {});
    flights.set(account.account, flight);
    return leaving(flight, signal);
  }

  const youngest = (account: string): AccessToken | undefined => {
    const entry = known.get(account);
    return entry && clock.now() < entry.token.expiresAt ? entry.token : undefined;
  };

  async function report(account: Account, token: AccessToken, signal: AbortSignal): Promise<void> {
    const source = tokenSourceOf(account);
    if (source.type !== 'http' || !source.reportUrl) return;
    try {
      await service.report(source, { appId: account.appId, accessToken: token.value }, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ account: account.account, err: error }, 'the bad token could not be reported');
    }
  }

  return {
    get: async (account, signal) => {
      const entry = known.get(account.account);
      const now = clock.now();
      const isRecent = entry && now.getTime() - entry.readAt.getTime() < rereadMs;
      if (entry && isRecent && now < entry.token.expiresAt) return entry.token;
      try {
        return await read(account, signal);
      } catch (error) {
        signal.throwIfAborted();
        const last = youngest(account.account);
        if (!last) throw error;
        // Its owner is away for a moment: what it supplied last is good until its end.
        known.set(account.account, { token: last, readAt: now });
        log.warn({ account: account.account, err: error }, 'the supplied token could not be read again');
        return last;
      }
    },

    reportRefused: async (account, used, signal) => {
      const { at, fingerprints } = refused.get(account.account) ?? { at: [], fingerprints: new Set() };
      const now = clock.now();
      const since = now.getTime() - deps.lifetimes.scale(CONFLICT_WINDOW_MS);
      const recent = at.filter((time) => time.getTime() > since);
      const isNew = !recent[0] || now.getTime() - recent.at(-1)!.getTime() >= pauseMs;
      if (isNew) recent.push(now);
      refused.set(account.account, { at: recent, fingerprints: fingerprints.add(used.fingerprint) });
      const current = await read(account, signal);
      if (recent.length > CONFLICT_LIMIT) {
        const code = fingerprints.size > CONFLICT_LIMIT ? 'token_conflict' : 'supplied_token_refused';
        throw new FailureError({ code, class: 'account', detail: `${recent.length} refusals` });
      }
      if (current.fingerprint !== used.fingerprint) return { retryAfterMs: 0 };
      if (isNew) await report(account, used, signal);
      return { retryAfterMs: pauseMs };
    },

    reportAccepted: (account) => {
      refused.delete(account.account);
    },
    close: async () => {
      service.close();
      await redis.close();
    },
  };
}
