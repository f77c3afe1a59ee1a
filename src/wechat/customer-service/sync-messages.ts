/**
 * Messages of WeCom customer service (微信客服): the callback only says that there are some, sync_msg has them, in
 * pages behind a cursor. Messages of the last three days; documentation path 94699.
 */
import type { Account } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { WechatApi } from '../api/client.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { type KfMessages, parseKfMessages } from './kf-messages.ts';

export interface KfPage extends KfMessages {
  /** To be committed together with the references: a page asked for again meets its own rows. */
  readonly nextCursor: string;
  /** Whether to ask again at once, with `nextCursor`. */
  readonly hasMore: boolean;
  /** Messages on the page, with and without media. */
  readonly messages: number;
}

export interface KfSync {
  /**
   * One page, up to 1,000 messages. `token` is the one of the callback; without it WeCom limits the call strictly.
   * Without `cursor` it begins three days ago. Rejects with what the calls fail with.
   */
  fetchPage(
    account: Account,
    from: { openKfId: string; token?: string | undefined; cursor?: string | undefined },
    signal: AbortSignal,
  ): Promise<KfPage>;
}

const PATH = '/cgi-bin/kf/sync_msg';
const PAGE = 1_000;
/** A thousand texts of 2,048 bytes each, and what stands around them. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
const AMR = 0;
export function createKfSync(deps: {
  api: Pick<WechatApi, 'call'>;
  tokens: Pick<Tokens, 'get' | 'reportRefused' | 'reportAccepted'>;
}): KfSync {
  const fetchPage: KfSync['fetchPage'] = async (account, from, signal) => {
    const { openKfId, token, cursor } = from;
    const body = {
      open_kfid: openKfId,
      limit: PAGE,
      voice_format: AMR,
      ...(token ? { token } : {}),
      ...(cursor ? { cursor } : {}),
    };
    const answer = await withToken(account, signal, (accessToken) =>
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
    const { msg_list: list, next_cursor: next } = answer;
    if (!Array.isArray(list) && answer.errcode === undefined)
      throw failure('malformed_answer', `${PATH}: neither errcode nor msg_list`);
    // A page without a list is an empty one: "has_more" with nothing in it occurs.
    const messages = Array.isArray(list) ? list : [];
    const nextCursor = typeof next === 'string' && next !== '' ? next : (cursor ?? '');
    return {
      ...parseKfMessages(account.account, messages),
      messages: messages.length,
      nextCursor,
      // A cursor that stands still would be asked for ever.
      hasMore: Number(answer.has_more) === 1 && nextCursor !== (cursor ?? ''),
    };
  };

  async function withToken<T>(
    account: Account,
    signal: AbortSignal,
    use: (accessToken: string) => Promise<T>,
    again = true,
  ): Promise<T> {
    const token = await deps.tokens.get(account, signal);
    try {
      const answer = await use(token.value);
      deps.tokens.reportAccepted(account);
      return answer;
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.class !== 'token' || !again) throw error;
      const { retryAfterMs } = await deps.tokens.reportRefused(account, token, signal);
      if (retryAfterMs > 0) throw error;
      return await withToken(account, signal, use, false);
    }
  }

  return { fetchPage };
}
