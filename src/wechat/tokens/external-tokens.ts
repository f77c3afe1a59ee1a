/**
 * Tokens that other programs maintain. They are read from Redis, an HTTP service or the configuration, and never
 * refreshed here. If WeChat refuses a token, it is read again, and reported to its owner if a report URL is configured.
 */
import { type Account, tokenSourceOf } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { untilAborted } from '../../runtime/timeout.ts';
import { isToken } from '../api/client.ts';
import { fingerprintOf } from './encrypt-at-rest.ts';
import { createHttpTokenSource } from './http-source.ts';
import type { AccessToken, Tokens } from './managed-tokens.ts';
import type { ExternalToken } from './parse-external-token.ts';
import { createRedisTokenSource } from './redis-source.ts';
import { CONFLICT_LIMIT, CONFLICT_WINDOW_MS, REQUEST_PAUSE_MS } from './refresh-policy.ts';

export interface ExternalTokensDeps {
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'info' | 'warn'>;
}

/**
 * How long a token is used before it is read again. The owner may replace its token at any time; the old one works for
 * five more minutes.
 */
const RECHECK_MS = 10_000;
/** The assumed life of a token whose expiry is unknown. It is read again long before that time has passed. */
const ASSUMED_LIFE_MS = 7_200_000;

interface Refused {
  /** The times when tokens of this source were refused, each at least one pause after the one before. */
  readonly at: Date[];
  readonly fingerprints: Set<string>;
}

export function createExternalTokens(deps: ExternalTokensDeps): Tokens & { close(): Promise<void> } {
  const { clock, log } = deps;
  const redis = createRedisTokenSource(log);
  const http = createHttpTokenSource();
  const recheckMs = deps.lifetimes.scale(RECHECK_MS);
  const pauseMs = deps.lifetimes.scale(REQUEST_PAUSE_MS);
  const known = new Map<string, { token: AccessToken; readAt: Date }>();
  const flights = new Map<string, Promise<AccessToken>>();
  const refused = new Map<string, Refused>();

  async function readSource(account: Account, now: Date): Promise<ExternalToken> {
    const source = tokenSourceOf(account);
    switch (source.type) {
      case 'redis':
        return await redis.read(source, now);
      case 'http':
        return await http.read(source, now);
      case 'static':
        if (isToken(source.accessToken)) return { value: source.accessToken, expiresAt: undefined };
    }
    throw failure('token_unavailable', 'the source provides no token');
  }

  async function refresh(account: Account): Promise<AccessToken> {
    const now = clock.now();
    const external = await readSource(account, now);
    const fingerprint = fingerprintOf(external.value);
    const before = known.get(account.account)?.token;
    const issuedAt = before?.fingerprint === fingerprint ? before.issuedAt : now;
    const expiresAt = external.expiresAt ?? new Date(now.getTime() + ASSUMED_LIFE_MS);
    if (expiresAt <= now) throw failure('token_unavailable', 'the token of the source has expired');
    const token = { value: external.value, fingerprint, issuedAt, expiresAt };
    if (before?.fingerprint !== fingerprint)
      log.info({ account: account.account, fingerprint, expiresAt }, 'tokens: new external access token');
    known.set(account.account, { token, readAt: now });
    return token;
  }

  /**
   * Reads the source, at most once at a time per account. A caller that stops waiting does not abort the read for the
   * others.
   */
  function read(account: Account, signal: AbortSignal): Promise<AccessToken> {
    const flight =
      flights.get(account.account) ?? refresh(account).finally(() => flights.delete(account.account));
    flight.catch(() => {});
    flights.set(account.account, flight);
    return untilAborted(flight, signal);
  }

  const lastValid = (account: string): AccessToken | undefined => {
    const entry = known.get(account);
    return entry && clock.now() < entry.token.expiresAt ? entry.token : undefined;
  };

  async function report(account: Account, token: AccessToken, signal: AbortSignal): Promise<void> {
    const source = tokenSourceOf(account);
    if (source.type !== 'http' || !source.reportUrl) return;
    try {
      await http.report(source, { appId: account.appId, accessToken: token.value }, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn(
        { account: account.account, err: error },
        'tokens: refused external token could not be reported',
      );
    }
  }

  return {
    get: async (account, signal) => {
      const entry = known.get(account.account);
      const now = clock.now();
      const isRecent = entry && now.getTime() - entry.readAt.getTime() < recheckMs;
      if (entry && isRecent && now < entry.token.expiresAt) return entry.token;
      try {
        return await read(account, signal);
      } catch (error) {
        signal.throwIfAborted();
        const last = lastValid(account.account);
        if (!last) throw error;
        // The source is unavailable for a moment. Its last token is valid until it expires.
        known.set(account.account, { token: last, readAt: now });
        log.warn(
          { account: account.account, err: error },
          'tokens: external source unavailable, using its last token',
        );
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
      http.close();
      await redis.close();
    },
  };
}
