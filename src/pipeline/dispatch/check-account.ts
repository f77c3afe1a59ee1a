/** Finds out now whether WeChat would let an account download its media items. */
import { type Account, tokenSourceOf } from '../../account.ts';
import { type Failure, FailureError, failure } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { WechatApi } from '../../wechat/api/client.ts';
import type { Tokens } from '../../wechat/tokens/tokens.ts';

/** Resolves with undefined if WeChat accepts the account, else with why not. Rejects with unexpected errors only. */
export type CheckAccount = (account: Account) => Promise<Failure | undefined>;

/** For the token, the call, and the repetitions. */
const TIMEOUT_MS = 25_000;
/** After a pause the same token may be refused again; only then it is replaced. */
const REPEATS = 2;
/** A refused token is not replaced sooner than some seconds after it was issued. */
const MAX_PAUSE_MS = 6_000;
const PATH = '/cgi-bin/media/get';
/** No media item has it, so that nothing is downloaded. */
const MEDIA_ID = 'wma-account-check';

/**
 * Creates the check. It asks for a media item that does not exist: the errcode for that (40007) comes only after WeChat
 * has accepted the token and the permission of exactly the call that downloads need. It costs one call of the day's
 * quota, and ends no hold.
 */
export function createAccountCheck({
  api,
  tokens,
  clock,
}: {
  api: Pick<WechatApi, 'call' | 'requestToken'>;
  tokens: Pick<Tokens, 'get' | 'reportRefused' | 'reportAccepted'>;
  clock: Pick<Clock, 'sleep'>;
}): CheckAccount {
  /**
   * WeChat checks the AppSecret and the IP allow-list where a token is requested. Only stable_token may be called for
   * that: it returns the token that is in use, and the others a new one.
   */
  async function checkSecret(account: Account, signal: AbortSignal): Promise<void> {
    if (tokenSourceOf(account).type === 'stable_token') await api.requestToken(account, signal);
  }

  async function attempt(account: Account, signal: AbortSignal, repeats: number): Promise<void> {
    const token = await tokens.get(account, signal);
    try {
      await api.call(
        {
          product: account.product,
          endpoint: 'media_get',
          path: PATH,
          query: { access_token: token.value, media_id: MEDIA_ID },
          secrets: [account.secret, token.value],
        },
        signal,
      );
    } catch (error) {
      const failureClass = error instanceof FailureError ? error.failure.class : undefined;
      if (failureClass === 'permanent_media') {
        tokens.reportAccepted(account);
        return;
      }
      if (failureClass !== 'token' || repeats === 0) throw error;
      const { retryAfterMs } = await tokens.reportRefused(account, token, signal);
      if (retryAfterMs > MAX_PAUSE_MS) throw error;
      await clock.sleep(retryAfterMs, signal);
      await attempt(account, signal, repeats - 1);
    }
  }

  return async (account) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    try {
      await checkSecret(account, signal);
      await attempt(account, signal, REPEATS);
      return undefined;
    } catch (error) {
      if (error instanceof FailureError) return error.failure;
      if (signal.aborted) return failure('timeout').failure;
      throw error;
    }
  };
}
