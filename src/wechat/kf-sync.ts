/**
 * Messages of WeCom customer service (微信客服): the callback only says that there are some, sync_msg has them, in
 * pages behind a cursor. Messages of the last three days; documentation path 94699.
 */
import type { Account } from '../account.ts';
import { FailureError, failure } from '../failures.ts';
import { type Kind, type ReferenceInput, referenceSchema } from '../media.ts';
import type { WechatApi } from './api.ts';
import type { Tokens } from './tokens.ts';

export interface KfPage {
  readonly references: readonly ReferenceInput[];
  /** To be committed together with the references: a page asked for again meets its own rows. */
  readonly nextCursor: string;
  /** Whether to ask again at once, with `nextCursor`. */
  readonly hasMore: boolean;
  /** Media messages whose media id could not be one. */
  readonly unusable: number;
}

export interface KfSync {
  /**
   * One page, up to 1,000 messages. `token` is the one of the callback; without it WeCom limits the call strictly.
   * Without `cursor` it begins three days ago. Rejects with what the calls fail with.
   */
  page(
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
const KINDS: Readonly<Record<string, Kind>> = {
  image: 'image',
  voice: 'voice',
  video: 'video',
  file: 'file',
};

export function createKfSync(deps: {
  api: Pick<WechatApi, 'call'>;
  tokens: Pick<Tokens, 'get' | 'reportBad' | 'reportGood'>;
}): KfSync {
  const page: KfSync['page'] = async (account, from, signal) => {
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
          endpoint: 'any',
          path: PATH,
          query: { access_token: accessToken },
          body,
          secrets: [account.secret, accessToken],
          maxAnswerBytes: MAX_PAGE_BYTES,
        },
        signal,
      ),
    );
    const { msg_list: list, next_cursor: next } = answer;
    if (!Array.isArray(list)) throw failure('malformed_answer', `${PATH}: no msg_list`);
    const nextCursor = typeof next === 'string' && next !== '' ? next : (cursor ?? '');
    const read = list.map((message) => readMessage(account, message));
    return {
      references: read.filter((one) => typeof one === 'object'),
      nextCursor,
      // A cursor that stands still would be asked for ever.
      hasMore: answer.has_more === 1 && nextCursor !== (cursor ?? ''),
      unusable: read.filter((one) => one === 'unusable').length,
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
      deps.tokens.reportGood(account);
      return answer;
    } catch (error) {
      if (!(error instanceof FailureError) || error.failure.class !== 'token' || !again) throw error;
      const { retryAfterMs } = await deps.tokens.reportBad(account, token, signal);
      if (retryAfterMs > 0) throw error;
      return await withToken(account, signal, use, false);
    }
  }

  return { page };
}

/** What customers and staff sent alike; undefined where there is no media in it. */
function readMessage(account: Account, message: unknown): ReferenceInput | 'unusable' | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const fields = message as Readonly<Record<string, unknown>>;
  const type = String(fields.msgtype);
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (!kind) return undefined;
  const { media_id: mediaId } = (fields[type] ?? {}) as { media_id?: unknown };
  const seconds = Number(fields.send_time);
  const isTime = seconds > 1_300_000_000 && seconds < 4_102_444_800;
  const optional = {
    ...keep('openId', fields.external_userid),
    ...keep('msgId', fields.msgid),
    ...(isTime ? { sentAt: new Date(seconds * 1000).toISOString() } : {}),
  };
  const parsed = referenceSchema.safeParse({ account: account.account, mediaId, kind, ...optional });
  return parsed.success ? parsed.data : 'unusable';
}

function keep(name: 'openId' | 'msgId', value: unknown): { [key in typeof name]?: string } {
  return referenceSchema.shape[name].safeParse(value).success && typeof value === 'string'
    ? { [name]: value }
    : {};
}
