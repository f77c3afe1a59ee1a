/** Two programs that refresh the token of one account, noticed. */
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { explain } from '../api/errcodes.ts';
import { CONFLICT_LIMIT, EARLY_REFUSAL_WINDOW_MS, MARGIN_MS } from './refresh-policy.ts';

const CONFLICT_MESSAGE =
  'access tokens die long before their end: somebody else keeps refreshing the token of this account';

/** Waits for `promise`, or until `signal` says to wait no longer. */

/**
 * Notices a token that keeps dying before its time although every replacement works: two programs that refresh the
 * same account chase each other for ever, quietly, and eat its quota of 2,000 tokens a day.
 */
export function createConflictDetector(deps: {
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'warn'>;
}) {
  const { clock, lifetimes, log } = deps;
  const windowMs = lifetimes.scale(EARLY_REFUSAL_WINDOW_MS);
  const earlyRefusals = new Map<string, Map<string, Date>>();
  return {
    /** The token was refused, and another one has taken its place. */
    tokenReplaced: (account: string, token: { fingerprint: string; expiresAt: Date }): void => {
      const now = clock.now();
      if (now.getTime() >= token.expiresAt.getTime() - lifetimes.scale(MARGIN_MS)) return;
      const known = earlyRefusals.get(account) ?? new Map<string, Date>();
      const recent = new Map([...known].filter(([, at]) => now.getTime() - at.getTime() < windowMs));
      earlyRefusals.set(account, recent.set(token.fingerprint, now));
      if (recent.size < CONFLICT_LIMIT) return;
      earlyRefusals.delete(account);
      const { en } = explain({ code: 'token_conflict' }).advice;
      log.warn({ account, tokens: recent.size, code: 'token_conflict', advice: en }, CONFLICT_MESSAGE);
    },
  };
}
