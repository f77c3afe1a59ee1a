/** Detects that another program also refreshes the token of an account. */
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { explain } from '../api/errcodes.ts';
import { CONFLICT_LIMIT, EARLY_REFUSAL_WINDOW_MS, MARGIN_MS } from './refresh-policy.ts';

const CONFLICT_MESSAGE = 'tokens: conflict, another program keeps refreshing the token of this account';

/**
 * Logs a warning when WeChat refuses tokens repeatedly long before they expire, although every replacement works: two
 * programs that refresh the same account invalidate each other's tokens without an error, and use up the quota of 2,000
 * tokens a day.
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
    /** Records that a token was refused and has been replaced. */
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
