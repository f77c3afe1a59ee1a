/** Checks of single accounts. */
import { HELD_BY_HAND } from '../../catalogue/accounts/accounts.ts';
import type { Explanation } from '../../failures.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import { type Check, fixedText, formatDuration, type NamedFinding } from './check.ts';
import { silentSince } from './silence.ts';

/** Explains a hold. A hold by hand has the name and the reason of the person who set it. */
function explainHold({ detail }: NamedFinding): Explanation {
  const { message, advice } = explain({
    code: String(detail.code ?? 'unknown_errcode'),
    ...(detail.errcode === undefined ? {} : { errcode: Number(detail.errcode) }),
  });
  const { by = '?', reason } = detail;
  const suffix = reason ? ` (${by}: ${reason})` : '';
  return { message: { en: message.en + suffix, zh: message.zh + suffix }, advice };
}

export const ACCOUNT_CHECKS = {
  account_held: {
    severity: 'warning',
    component: 'accounts',
    target: 'account',
    rule: 'All items of an account wait, after a refusal or because an operator held it. Not for a limit per minute, which ends within a minute. Ends when an item of the account succeeds, or on release.',
    begun: (it) => ({
      en: `Account ${it.target} is held: ${explainHold(it).message.en}`,
      zh: `账号 ${it.target} 已暂停归档：${explainHold(it).message.zh}`,
    }),
    ended: (it) => ({ en: `Account ${it.target} works again.`, zh: `账号 ${it.target} 已恢复。` }),
    advice: (it) => explainHold(it).advice,
    find: ({ accounts }) =>
      accounts
        ?.filter(({ heldUntil, hold }) => heldUntil !== undefined && hold?.class !== 'minute_limit')
        .map(({ account, heldSince, hold }) => ({
          target: account,
          ...(heldSince ? { since: heldSince } : {}),
          detail: {
            code: hold?.code ?? HELD_BY_HAND,
            ...(hold?.errcode === undefined ? {} : { errcode: hold.errcode }),
            ...(hold?.reason ? { reason: hold.reason } : {}),
            ...(hold?.by ? { by: hold.by } : {}),
          },
        })),
  },
  customer_service_unread: {
    severity: 'warning',
    component: 'accounts',
    target: 'account',
    rule: 'Messages of a customer-service account of WeCom cannot be read: at once where WeCom refuses the account, else after ten minutes of failures or three hours without a read. Ends when they are read to the end.',
    begun: (it) => ({
      en: `Account ${it.target}: customer-service messages cannot be read (${it.detail.openKfId ?? '…'}). ${explainHold(it).message.en}`,
      zh: `账号 ${it.target}：无法读取微信客服消息（${it.detail.openKfId ?? '…'}）。${explainHold(it).message.zh}`,
    }),
    ended: (it) => ({
      en: `Customer-service messages of account ${it.target} are read again.`,
      zh: `账号 ${it.target} 的微信客服消息已恢复读取。`,
    }),
    advice: (it) => explainHold(it).advice,
    find: ({ customerService }) =>
      customerService &&
      [...new Set(customerService.map(({ account }) => account))].map((account) => {
        const theirs = customerService.filter((one) => one.account === account);
        const { openKfId, failure } = theirs[0]!;
        const since = theirs.map((one) => one.failingSince ?? one.readAt).filter((at) => at !== undefined);
        return {
          target: account,
          count: theirs.length,
          ...(since.length > 0 ? { since: new Date(Math.min(...since.map(Number))) } : {}),
          detail: {
            openKfId,
            code: failure?.code ?? 'customer_service_not_asked',
            ...(failure?.errcode === undefined ? {} : { errcode: failure.errcode }),
          },
        };
      }),
  },
  no_callbacks: {
    severity: 'warning',
    component: 'accounts',
    target: 'account',
    rule: 'An account that used to get messages gets none: for 24 h where each of the seven days before had at least 20 messages; else for two days longer than its longest silence, in whole UTC days, of the 28 days before. Accounts with messages on fewer than three of those days are not reported. Ends with the next callback. Calendar days: `TIME_SCALE` does not apply.',
    begun: (it) => ({
      en: `Account ${it.target} has had no callback for ${formatDuration(Number(it.detail.silentSeconds ?? 0))}, which is unusual.`,
      zh: `账号 ${it.target} 已 ${formatDuration(Number(it.detail.silentSeconds ?? 0))} 没有收到回调，此前一直有消息。`,
    }),
    ended: (it) => ({
      en: `Callbacks of account ${it.target} arrive again.`,
      zh: `账号 ${it.target} 重新收到回调。`,
    }),
    advice: fixedText(
      "Compare the callback URL and its state in WeChat's console with GET /v1/accounts, and test it from outside.",
      '请核对微信后台的回调地址及其启用状态（参见 GET /v1/accounts），并从外网测试该地址。',
    ),
    find: ({ accounts, now }) =>
      accounts?.flatMap((one) => {
        const since = silentSince(one, now);
        if (!since) return [];
        const silentSeconds = Math.round((now.getTime() - since.getTime()) / 1000);
        return [{ target: one.account, since, detail: { silentSeconds } }];
      }),
  },
  no_callback_yet: {
    severity: 'warning',
    component: 'accounts',
    target: 'account',
    rule: 'A configured account has never had a callback. Ends with the first one.',
    begun: (it) => ({
      en: `Account ${it.target} has never had a callback.`,
      zh: `账号 ${it.target} 从未收到回调。`,
    }),
    ended: (it) => ({ en: `Account ${it.target} gets callbacks.`, zh: `账号 ${it.target} 已收到回调。` }),
    advice: fixedText(
      "Paste its callbackUrl (wma accounts) into WeChat's console and send a message; PUBLIC_URL is the server's address from outside.",
      '请将其 callbackUrl（见 wma accounts）填入微信后台并发送一条消息；PUBLIC_URL 是服务的外网地址。',
    ),
    // True for every new installation, and permanently where producers send all references.
    except: ['readyz', 'alerts', 'page'],
    find: ({ accounts }) =>
      accounts?.filter(({ lastCallbackAt }) => !lastCallbackAt).map(({ account }) => ({ target: account })),
  },
} as const satisfies Record<string, Check>;
