/** Gets a token for each account at the start of a worker, so that a refusal shows before the first item fails. */
import type { Accounts } from '../../account.ts';
import { type Explanation, FailureError } from '../../failures.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { Tokens } from '../../wechat/tokens/tokens.ts';
import type { AccountHolds } from './account-hold.ts';

const TOKEN_MS = 15_000;
const AT_ONCE = 4;
/** The same as after a failed item (retry-policy.ts). */
const PROBE_MS = 5 * 60_000;

/** An account, and why it has no token. */
export interface TokenCheck {
  readonly account: string;
  readonly problem?: TokenProblem;
}

export interface TokenProblem extends Explanation {
  /** What was observed, such as ECONNREFUSED. */
  readonly detail?: string;
  /** WeChat was not reached: the cause is between this machine and WeChat. */
  readonly isUnreached: boolean;
}

/** The codes of failures without a response of WeChat, except those of a proxy, which have advice of their own. */
const UNREACHED: ReadonlySet<string> = new Set(['network', 'timeout']);

/** Holds each account that is refused as a whole. Calls `onChecked` for each account. Never rejects. */
export async function checkAccountTokens(
  deps: {
    accounts: Pick<Accounts, 'all'>;
    tokens: Pick<Tokens, 'get'>;
    holds: Pick<AccountHolds, 'hold'>;
    clock: Pick<Clock, 'now'>;
    lifetimes: Pick<Lifetimes, 'scale'>;
    log: Pick<Log, 'error'>;
  },
  signal: AbortSignal,
  onChecked: (check: TokenCheck) => void = () => undefined,
): Promise<void> {
  const left = [...deps.accounts.all];
  async function checkNext(): Promise<void> {
    for (let account = left.shift(); account && !signal.aborted; account = left.shift()) {
      try {
        await deps.tokens.get(account, AbortSignal.any([signal, AbortSignal.timeout(TOKEN_MS)]));
        onChecked({ account: account.account });
      } catch (error) {
        if (signal.aborted) return;
        const why = error instanceof FailureError ? error.failure : undefined;
        const { message, advice } = explain(why ?? { code: 'token_unavailable' });
        const problem = {
          message,
          advice,
          isUnreached: why !== undefined && UNREACHED.has(why.code),
          ...(why?.detail ? { detail: why.detail } : {}),
        };
        onChecked({ account: account.account, problem });
        const name = account.name ?? account.account;
        deps.log.error(
          { account: account.account, ...(why ? { failure: why } : { err: error }) },
          `start: no token for account ${name}: ${message.en} ${advice.en}`,
        );
        if (why?.class !== 'account') continue;
        const until = new Date(deps.clock.now().getTime() + deps.lifetimes.scale(PROBE_MS));
        await deps.holds.hold(account.account, until, why).catch(() => undefined);
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, checkNext));
}
