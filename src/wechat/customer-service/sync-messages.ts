/**
 * Fetches messages of WeCom customer service (微信客服). A callback only announces them; sync_msg returns them in pages
 * with a cursor, for the last three days. Documentation path 94699.
 */
import type { Account } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { WechatApi } from '../api/client.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { type KfMessages, parseKfMessages } from './kf-messages.ts';

export interface KfPage extends KfMessages {
  /** Must be committed together with the references. A page that is fetched twice leads to the same rows. */
  readonly nextCursor: string;
  /** Whether the next page should be fetched at once, with `nextCursor`. */
  readonly hasMore: boolean;
  /** Number of messages on the page, with and without media. */
  readonly messages: number;
}

export interface KfSync {
  /**
   * Fetches one page of up to 1,000 messages. `token` comes from the callback; without it WeCom allows very few calls.
   * Without `cursor` the page begins three days ago. Rejects with the failure of a call.
   */
  fetchPage(
    account: Account,
    from: { openKfId: string; token?: string | undefined; cursor?: string | undefined },
    signal: AbortSignal,
  ): Promise<KfPage>;
}

const PATH = '/cgi-bin/kf/sync_msg';
const PAGE_SIZE = 1_000;
/** Enough for a thousand texts of 2,048 bytes each, and the JSON around them. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
const VOICE_FORMAT_AMR = 0;

export function createKfSync(deps: {
  api: Pick<WechatApi, 'call'>;
  tokens: Pick<Tokens, 'get' | 'reportRefused' | 'reportAccepted'>;
}): KfSync {
  const fetchPage: KfSync['fetchPage'] = async (account, from, signal) => {
    const { openKfId, token, cursor } = from;
    const body = {
      open_kfid: openKfId,
      limit: PAGE_SIZE,
      voice_format: VOICE_FORMAT_AMR,
      ...(token ? { token } : {}),
      ...(cursor ? { cursor } : {}),
    };
    const response = await withToken(account, signal, (accessToken) =>
      deps.api.call(
        {
          product: account.product,
          endpoint: 'sync_msg',
          path: PATH,
          query: { access_token: accessToken },
          body,
          secrets: [account.secret, accessToken],
          maxResponseBytes: MAX_PAGE_BYTES,
        },
        signal,
      ),
    );
    const { msg_list: list, next_cursor: next } = response;
    if (!Array.isArray(list) && response.errcode === undefined)
      throw failure('malformed_answer', `${PATH}: neither errcode nor msg_list`);
    // A page without a list is empty: WeCom also sends has_more without messages.
    const messages = Array.isArray(list) ? list : [];
    const nextCursor = typeof next === 'string' && next !== '' ? next : (cursor ?? '');
    return {
      ...parseKfMessages(account.account, messages),
      messages: messages.length,
      nextCursor,
      // If the cursor does not change, fetching the next page would be an endless loop.
      hasMore: Number(response.has_more) === 1 && nextCursor !== (cursor ?? ''),
    };
  };

  async function withToken<T>(
    account: Account,
    signal: AbortSignal,
    use: (accessToken: string) => Promise<T>,
    mayRetry = true,
  ): Promise<T> {
    const token = await deps.tokens.get(account, signal);
    try {
      const result = await use(token.value);
      deps.tokens.reportAccepted(account);
      return result;
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.class !== 'token' || !mayRetry) throw error;
      const { retryAfterMs } = await deps.tokens.reportRefused(account, token, signal);
      if (retryAfterMs > 0) throw error;
      return await withToken(account, signal, use, false);
    }
  }

  return { fetchPage };
}
