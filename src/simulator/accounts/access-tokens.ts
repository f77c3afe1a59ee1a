/**
 * Access tokens as WeChat issues them. /cgi-bin/token and /cgi-bin/stable_token are independent of each other. A token
 * holds its account, issuer and time of issue under a digest, so a restarted simulator accepts the tokens from before
 * its restart; it does not remember which of them were invalidated.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Account } from '../../account.ts';
import type { Clock } from '../../runtime/clock.ts';

/** WeCom: `account` is corpId-agentId, `appId` the corpId. */
export type SimulatedAccount = Pick<Account, 'account' | 'appId' | 'secret' | 'token' | 'encodingAesKey'> &
  Partial<Pick<Account, 'product'>>;

/** An errcode with its text. */
export interface Refusal {
  readonly errcode: number;
  readonly errmsg: string;
}

export interface IssuedToken {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
}

export interface AccessTokens {
  /** GET /cgi-bin/token: each call replaces the earlier token, which still works for five minutes. */
  issueClassic(account: SimulatedAccount): IssuedToken;
  /** POST /cgi-bin/stable_token: the same token until less than five minutes are left; `force` invalidates it at once. */
  issueStable(account: SimulatedAccount, force: boolean): IssuedToken | Refusal;
  /** GET /cgi-bin/gettoken of WeCom: the same token until it expires. */
  issueWecom(account: SimulatedAccount): IssuedToken;
  /** For a third-party platform: a new token each time; earlier ones stay valid. */
  issueAuthorizer(account: SimulatedAccount): IssuedToken;
  /** Returns the account of a token, or the reason for its refusal. */
  check(token: string | null): SimulatedAccount | Refusal;
  /** Invalidates every token issued so far, as a refresh by another client does. */
  invalidate(account: SimulatedAccount): void;
}

const OVERLAP_MS = 300_000;
const FORCE_INTERVAL_MS = 30_000;
const FORCES_PER_DAY = 20;
const DAY_MS = 86_400_000;
const PAYLOAD_BYTES = 11;
const TOKEN_SHAPE = /^9\d_[A-Za-z0-9_-]{100}$/;
const ISSUERS = ['classic', 'stable', 'wecom', 'authorizer'] as const;
type Issuer = (typeof ISSUERS)[number];

export const REFUSALS = {
  missing: { errcode: 41001, errmsg: 'access_token missing' },
  malformed: { errcode: 40014, errmsg: 'invalid access_token' },
  invalid: {
    errcode: 40001,
    errmsg:
      'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r',
  },
  expired: { errcode: 42001, errmsg: 'access_token expired' },
  quota: { errcode: 45009, errmsg: 'reach max api daily quota limit' },
} as const satisfies Record<string, Refusal>;

const handleOf = (account: SimulatedAccount): Buffer =>
  createHash('sha256').update(account.account).digest().subarray(0, 4);

const digestOf = (account: SimulatedAccount, payload: Buffer): Buffer =>
  createHmac('sha512', `simulated token ${account.secret}`).update(account.account).update(payload).digest();

interface History {
  /** Times of issue of the newest token and of the one before, in milliseconds. */
  latestAt: number;
  previousAt: number;
  replacedAt: number;
  /** Tokens issued at this time or earlier are invalid. */
  invalidUntil: number;
  forcedAt: number[];
}

export function createAccessTokens(options: {
  accounts: readonly SimulatedAccount[];
  clock: Pick<Clock, 'now'>;
  /** Default 7,200,000, as WeChat's. The response announces whole seconds. */
  lifetimeMs?: number;
  /** How long a replaced token still works; default five minutes, and at most a quarter of its lifetime. */
  overlapMs?: number;
}): AccessTokens {
  const lifetimeMs = options.lifetimeMs ?? 7_200_000;
  // A short lifetime in a test keeps WeChat's proportions.
  const overlapMs = options.overlapMs ?? Math.min(OVERLAP_MS, lifetimeMs / 4);
  const now = () => options.clock.now().getTime();
  const byHandle = new Map(options.accounts.map((account) => [handleOf(account).toString('hex'), account]));
  const histories = new Map<string, History>();

  function historyOf(account: SimulatedAccount, issuer: Issuer): History {
    const key = `${issuer} ${account.account}`;
    let history = histories.get(key);
    if (!history) {
      history = { latestAt: 0, previousAt: 0, replacedAt: 0, invalidUntil: 0, forcedAt: [] };
      histories.set(key, history);
    }
    return history;
  }

  function tokenIssuedAt(account: SimulatedAccount, issuer: Issuer, issuedAt: number): IssuedToken {
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    handleOf(account).copy(payload);
    payload.writeUInt8(ISSUERS.indexOf(issuer), 4);
    payload.writeUIntBE(issuedAt, 5, 6);
    const text = Buffer.concat([digestOf(account, payload), payload]).toString('base64url');
    return {
      accessToken: `9${issuedAt % 10}_${text}`,
      expiresInSeconds: Math.max(1, Math.floor((issuedAt + lifetimeMs - now()) / 1000)),
    };
  }

  function renew(account: SimulatedAccount, issuer: Issuer): IssuedToken {
    const history = historyOf(account, issuer);
    history.previousAt = history.latestAt;
    history.replacedAt = now();
    history.latestAt = Math.max(now(), history.latestAt + 1, history.invalidUntil + 1);
    return tokenIssuedAt(account, issuer, history.latestAt);
  }

  function isValid(history: History, issuer: Issuer, issuedAt: number): boolean {
    if (issuedAt <= history.invalidUntil) return false;
    if (issuer !== 'classic' || history.latestAt === 0 || issuedAt === history.latestAt) return true;
    return issuedAt === history.previousAt && now() < history.replacedAt + overlapMs;
  }

  return {
    issueClassic: (account) => renew(account, 'classic'),
    issueStable: (account, force) => {
      const history = historyOf(account, 'stable');
      const at = now();
      history.forcedAt = history.forcedAt.filter((forcedAt) => forcedAt > at - DAY_MS);
      const isTooSoon = at - (history.forcedAt.at(-1) ?? 0) < FORCE_INTERVAL_MS;
      if (force && !isTooSoon) {
        if (history.forcedAt.length >= FORCES_PER_DAY) return REFUSALS.quota;
        history.forcedAt.push(at);
        history.invalidUntil = Math.max(history.latestAt, at - 1);
        return renew(account, 'stable');
      }
      const current =
        history.latestAt > history.invalidUntil && history.latestAt + lifetimeMs - overlapMs > at;
      return current ? tokenIssuedAt(account, 'stable', history.latestAt) : renew(account, 'stable');
    },
    issueWecom: (account) => {
      const { latestAt, invalidUntil } = historyOf(account, 'wecom');
      const isCurrent = latestAt > invalidUntil && latestAt + lifetimeMs > now();
      return isCurrent ? tokenIssuedAt(account, 'wecom', latestAt) : renew(account, 'wecom');
    },
    issueAuthorizer: (account) => renew(account, 'authorizer'),
    check: (token) => {
      if (!token) return REFUSALS.missing;
      if (!TOKEN_SHAPE.test(token)) return REFUSALS.malformed;
      const bytes = Buffer.from(token.slice(3), 'base64url');
      const payload = bytes.subarray(-PAYLOAD_BYTES);
      const account = byHandle.get(payload.subarray(0, 4).toString('hex'));
      const issuer = ISSUERS[payload.readUInt8(4)];
      if (!account || !issuer) return REFUSALS.invalid;
      // At WeCom 40001 means a wrong secret, never a token.
      const invalid = issuer === 'wecom' ? REFUSALS.malformed : REFUSALS.invalid;
      if (!timingSafeEqual(digestOf(account, payload), bytes.subarray(0, -PAYLOAD_BYTES))) return invalid;
      const issuedAt = payload.readUIntBE(5, 6);
      if (issuedAt + lifetimeMs <= now()) return REFUSALS.expired;
      return isValid(historyOf(account, issuer), issuer, issuedAt) ? account : invalid;
    },
    invalidate: (account) => {
      for (const issuer of ISSUERS) {
        const history = historyOf(account, issuer);
        history.invalidUntil = Math.max(history.latestAt, now());
      }
    },
  };
}
