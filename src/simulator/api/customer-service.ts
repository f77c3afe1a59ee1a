/** WeCom customer service (微信客服): its callbacks only announce messages, and kf/sync_msg lists them. */
import { createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../runtime/clock.ts';
import { type AccessTokens, REFUSALS, type SimulatedAccount } from '../accounts/access-tokens.ts';
import type { AccountWideFaults } from '../faults/account-wide-faults.ts';
import { type ApiResult, readPost, refused, sendResult } from '../http/json-responses.ts';
import type { RequestLog } from '../http/request-log.ts';
import { isIntegerWithin, type Members } from '../http/requests.ts';

/** A message as sync_msg lists it, without msgid, open_kfid and send_time. */
export interface ServiceMessage {
  readonly msgtype: string;
  readonly external_userid?: string;
  /** 3: a customer's; 4: the system's; 5: an agent's. */
  readonly origin: 3 | 4 | 5;
  readonly content: Members;
}

export interface CustomerService {
  /** Stores a message for three days; returns its id and the token for the callback that announces it. */
  receive(corpId: string, openKfId: string, message: ServiceMessage): { token: string; msgId: string };
  /** POST /cgi-bin/kf/sync_msg */
  sync(query: URLSearchParams, request: IncomingMessage, response: ServerResponse): Promise<void>;
}

const TOKEN_LIFETIME_MS = 600_000;
const STORED_MS = 3 * 86_400_000;
const STORED_MAX = 100_000;
const LIMIT_MAX = 1000;
/** The documentation names only "a strict limit" for calls without a token. */
const CALLS_WITHOUT_TOKEN_PER_MINUTE = 5;

interface StoredMessage {
  /** Per corp, from 1 without gaps. */
  readonly serial: number;
  readonly atMs: number;
  readonly openKfId: string;
  readonly body: Members;
}

/** A token or cursor: its text under a digest. */
const signed = (kind: string, text: string): string => {
  const digest = createHmac('sha256', `simulated ${kind}`).update(text).digest('hex').slice(0, 20);
  return Buffer.from(`${text}.${digest}`).toString('base64url');
};
/** Returns the text of a token or cursor; undefined where the simulator did not issue it. */
function verified(kind: string, given: string): string | undefined {
  const text = Buffer.from(given, 'base64url')
    .toString()
    .replace(/\.[0-9a-f]{20}$/, '');
  return signed(kind, text) === given ? text : undefined;
}

export function createCustomerService(options: {
  clock: Pick<Clock, 'now'>;
  tokens: Pick<AccessTokens, 'check'>;
  accountWideFaults: Pick<AccountWideFaults, 'respond'>;
  requestLog: Pick<RequestLog, 'count' | 'errcode'>;
}): CustomerService {
  const { clock, requestLog } = options;
  const corps = new Map<string, StoredMessage[]>();
  const callsWithoutToken = new Map<string, { minute: number; count: number }>();

  function messagesOf(corpId: string): StoredMessage[] {
    const oldest = clock.now().getTime() - STORED_MS;
    const messages = (corps.get(corpId) ?? []).filter(({ atMs }) => atMs > oldest).slice(-STORED_MAX);
    corps.set(corpId, messages);
    return messages;
  }

  function refuseToken({ account, appId }: SimulatedAccount, token: unknown) {
    const nowMs = clock.now().getTime();
    if (token) {
      const [corpId, issuedAt] = verified('sync token', String(token))?.split(' ') ?? [];
      const isValid = corpId === appId && nowMs < Number(issuedAt) + TOKEN_LIFETIME_MS;
      return isValid ? undefined : refused(95007, 'invalid msg token');
    }
    const minute = Math.floor(nowMs / 60_000);
    const counter = callsWithoutToken.get(account);
    const count = counter?.minute === minute ? counter.count + 1 : 1;
    callsWithoutToken.set(account, { minute, count });
    return count > CALLS_WITHOUT_TOKEN_PER_MINUTE ? refused(45009, 'api freq out of limit') : undefined;
  }

  function listMessages(account: SimulatedAccount, body: Members): ApiResult {
    const { cursor, token, limit = LIMIT_MAX, voice_format: voice = 0, open_kfid: openKfId } = body;
    if (!isIntegerWithin(limit, 1, LIMIT_MAX) || !isIntegerWithin(voice, 0, 1))
      return refused(40058, 'invalid param');
    if (openKfId !== undefined && (typeof openKfId !== 'string' || !openKfId))
      return refused(95000, 'invalid open_kfid');
    const after = cursor ? verified('cursor', String(cursor)) : '0';
    if (after === undefined) return refused(40058, 'invalid cursor');
    const refusal = refuseToken(account, token);
    if (refusal) return refusal;
    const waiting = messagesOf(account.appId).filter(
      (message) => message.serial > Number(after) && (!openKfId || message.openKfId === openKfId),
    );
    const page = waiting.slice(0, limit);
    return {
      ok: {
        errcode: 0,
        errmsg: 'ok',
        next_cursor: signed('cursor', String(page.at(-1)?.serial ?? after)),
        has_more: waiting.length > page.length ? 1 : 0,
        msg_list: page.map((message) => message.body),
      },
    };
  }

  return {
    receive: (corpId, openKfId, { content, ...message }) => {
      const messages = messagesOf(corpId);
      const at = clock.now();
      const serial = (messages.at(-1)?.serial ?? 0) + 1;
      const msgId = signed('msgid', `${corpId} ${openKfId} ${serial}`).slice(-32);
      const body = {
        msgid: msgId,
        open_kfid: openKfId,
        send_time: Math.floor(at.getTime() / 1000),
        ...message,
        [message.msgtype]: content,
      };
      messages.push({ serial, atMs: at.getTime(), openKfId, body });
      return { token: signed('sync token', `${corpId} ${at.getTime()}`), msgId };
    },
    sync: async (query, request, response) => {
      requestLog.count('syncRequests');
      const holder = options.tokens.check(query.get('access_token'));
      const isForeign = !('errcode' in holder) && holder.product !== 'wecom';
      const account = isForeign ? REFUSALS.malformed : holder;
      const post = await readPost(request);
      if (!('errcode' in account) && (await options.accountWideFaults.respond(account, 'sync', response)))
        return;
      const result =
        'errcode' in account ? account : 'errcode' in post ? post : listMessages(account, post.body);
      sendResult(response, result, requestLog);
    },
  };
}
