/** WeCom customer service (微信客服): its callbacks only say that there is something; sync_msg gives it. */
import { createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../runtime/clock.ts';
import { type AccessTokens, REFUSALS, type SimulatedAccount } from '../accounts/access-tokens.ts';
import type { Spoiling } from '../faults/account-wide-faults.ts';
import { type Reply, readPost, refused, sendReply } from '../http/json-responses.ts';
import type { Ledger } from '../http/request-log.ts';
import { isWithin, type Members } from '../http/requests.ts';

/** A message as sync_msg lists it, but for msgid, open_kfid and send_time. */
export interface ServiceMessage {
  readonly msgtype: string;
  readonly external_userid?: string;
  /** 3: a customer's; 4: the system's; 5: an agent's. */
  readonly origin: 3 | 4 | 5;
  readonly content: Members;
}

export interface CustomerService {
  /** Keeps a message for three days and gives the token for the callback about it. */
  receive(corpId: string, openKfId: string, message: ServiceMessage): { token: string; msgId: string };
  /** POST /cgi-bin/kf/sync_msg */
  sync(query: URLSearchParams, request: IncomingMessage, response: ServerResponse): Promise<void>;
}

const TOKEN_LIFE_MS = 600_000;
const KEPT_MS = 3 * 86_400_000;
const KEPT_MOST = 100_000;
const LIMIT_MOST = 1000;
/** "A strict limit" is all that the page says of calls without a token. */
const UNTOLD_A_MINUTE = 5;

interface Kept {
  /** Of the corp; grows by one. */
  readonly serial: number;
  readonly atMs: number;
  readonly openKfId: string;
  readonly body: Members;
}

const signed = (kind: string, text: string): string => {
  const digest = createHmac('sha256', `simulated ${kind}`).update(text).digest('hex').slice(0, 20);
  return Buffer.from(`${text}.${digest}`).toString('base64url');
};
/** The text of a token or cursor that was given by us. */
function opened(kind: string, given: string): string | undefined {
  const text = Buffer.from(given, 'base64url')
    .toString()
    .replace(/\.[0-9a-f]{20}$/, '');
  return signed(kind, text) === given ? text : undefined;
}

export function createCustomerService(options: {
  clock: Pick<Clock, 'now'>;
  tokens: Pick<AccessTokens, 'check'>;
  spoiling: Pick<Spoiling, 'spoil'>;
  ledger: Pick<Ledger, 'count' | 'errcode'>;
}): CustomerService {
  const { clock, ledger } = options;
  const corps = new Map<string, Kept[]>();
  const untold = new Map<string, { minute: number; count: number }>();

  function keptOf(corpId: string): Kept[] {
    const oldest = clock.now().getTime() - KEPT_MS;
    const kept = (corps.get(corpId) ?? []).filter(({ atMs }) => atMs > oldest).slice(-KEPT_MOST);
    corps.set(corpId, kept);
    return kept;
  }

  function refuseToken({ account, appId }: SimulatedAccount, token: unknown) {
    const nowMs = clock.now().getTime();
    if (token) {
      const [corpId, bornAt] = opened('sync token', String(token))?.split(' ') ?? [];
      const isGood = corpId === appId && nowMs < Number(bornAt) + TOKEN_LIFE_MS;
      return isGood ? undefined : refused(95007, 'invalid msg token');
    }
    const minute = Math.floor(nowMs / 60_000);
    const counter = untold.get(account);
    const count = counter?.minute === minute ? counter.count + 1 : 1;
    untold.set(account, { minute, count });
    return count > UNTOLD_A_MINUTE ? refused(45009, 'api freq out of limit') : undefined;
  }

  function replyTo(account: SimulatedAccount, body: Members): Reply {
    const { cursor, token, limit = LIMIT_MOST, voice_format: voice = 0, open_kfid: openKfId } = body;
    if (!isWithin(limit, 1, LIMIT_MOST) || !isWithin(voice, 0, 1)) return refused(40058, 'invalid param');
    if (openKfId !== undefined && (typeof openKfId !== 'string' || !openKfId))
      return refused(95000, 'invalid open_kfid');
    const after = cursor ? opened('cursor', String(cursor)) : '0';
    if (after === undefined) return refused(40058, 'invalid cursor');
    const refusal = refuseToken(account, token);
    if (refusal) return refusal;
    const waiting = keptOf(account.appId).filter(
      (kept) => kept.serial > Number(after) && (!openKfId || kept.openKfId === openKfId),
    );
    const given = waiting.slice(0, limit);
    return {
      ok: {
        errcode: 0,
        errmsg: 'ok',
        next_cursor: signed('cursor', String(given.at(-1)?.serial ?? after)),
        has_more: waiting.length > given.length ? 1 : 0,
        msg_list: given.map((kept) => kept.body),
      },
    };
  }

  return {
    receive: (corpId, openKfId, { content, ...message }) => {
      const kept = keptOf(corpId);
      const at = clock.now();
      const serial = (kept.at(-1)?.serial ?? 0) + 1;
      const msgId = signed('msgid', `${corpId} ${openKfId} ${serial}`).slice(-32);
      const body = {
        msgid: msgId,
        open_kfid: openKfId,
        send_time: Math.floor(at.getTime() / 1000),
        ...message,
        [message.msgtype]: content,
      };
      kept.push({ serial, atMs: at.getTime(), openKfId, body });
      return { token: signed('sync token', `${corpId} ${at.getTime()}`), msgId };
    },
    sync: async (query, request, response) => {
      ledger.count('syncsAsked');
      const holder = options.tokens.check(query.get('access_token'));
      const isForeign = !('errcode' in holder) && holder.product !== 'wecom';
      const account = isForeign ? REFUSALS.malformed : holder;
      const post = await readPost(request);
      if (!('errcode' in account) && (await options.spoiling.spoil(account, 'sync', response))) return;
      const reply = 'errcode' in account ? account : 'errcode' in post ? post : replyTo(account, post.body);
      sendReply(response, reply, ledger);
    },
  };
}
