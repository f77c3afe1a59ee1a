/** Checks of single accounts. */
import { HELD_BY_HAND } from '../../catalogue/accounts/accounts.ts';
import type { Explanation } from '../../failures.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import { type Check, fixedText, formatDuration, type NamedFinding } from './check.ts';
import { silentSince } from './silence.ts';

/** Who wanted a hold by hand says why. */
function whyHeld({ detail }: NamedFinding): Explanation {
  const { message, advice } = explain({
    code: String(detail.code ?? 'unknown_errcode'),
    ...(detail.errcode === undefined ? {} : { errcode: Number(detail.errcode) }),
  });
  const { by = '?', reason } = detail;
  const words = reason ? ` (${by}: ${reason})` : '';
  return { message: { en: message.en + words, zh: message.zh + words }, advice };
}

export const ACCOUNT_CHECKS = {
  account_held: {
    severity: 'warning',
    component: 'accounts',
    target: 'account',
    rule: 'An account waits as a whole, by itself or by hand. Not for the limit of a minute, which ends by itself within one. Ends when a media of the account got through, or on release.',
    begun: (it) => ({
      en: `Account ${it.target} is held: ${whyHeld(it).message.en}`,
      zh: `账号 ${it.target} 已暂停归档：${whyHeld(it).message.zh}`,
    }),
    ended: (it) => ({ en: `Account ${it.target} works again.`, zh: `账号 ${it.target} 已恢复。` }),
    advice: (it) => whyHeld(it).advice,
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
    rule: 'Messages of a customer-service account of WeCom cannot be read: at once where WeCom refuses them for the account, else after ten minutes of failures or three hours unread. Ends with a read to the end.',
    begun: (it) => ({
      en: `Account ${it.target}: messages of customer service cannot be read (${it.detail.openKfId ?? '…'}). ${whyHeld(it).message.en}`,
      zh: `账号 ${it.target}：无法读取微信客服消息（${it.detail.openKfId ?? '…'}）。${whyHeld(it).message.zh}`,
    }),
    ended: (it) => ({
      en: `Messages of customer service of account ${it.target} are read again.`,
      zh: `账号 ${it.target} 的微信客服消息已恢复读取。`,
    }),
    advice: (it) => whyHeld(it).advice,
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
    rule: 'An account that used to get messages gets none. It is silent for 24 h where each of the seven days before had at least 20 messages; else for two days longer than its longest silence, in whole UTC days, of the 28 days before. Accounts with messages on fewer than three of those days are never said. Ends with the next callback. Calendar days: `TIME_SCALE` does not apply.',
    begun: (it) => ({
      en: `Account ${it.target} has had no callback for ${formatDuration(Number(it.detail.silentSeconds ?? 0))}; it used to get some.`,
      zh: `账号 ${it.target} 已 ${formatDuration(Number(it.detail.silentSeconds ?? 0))} 没有收到回调，此前一直有消息。`,
    }),
    ended: (it) => ({
      en: `Callbacks of account ${it.target} arrive again.`,
      zh: `账号 ${it.target} 重新收到回调。`,
    }),
    advice: fixedText(
      "Compare the callback URL and its state in WeChat's console with GET /v1/accounts, and try it from outside.",
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
    rule: 'A configured account has never had a callback. Ends with the first.',
    begun: (it) => ({
      en: `Account ${it.target}: no callback has ever come.`,
      zh: `账号 ${it.target} 从未收到回调。`,
    }),
    ended: (it) => ({ en: `Account ${it.target} gets callbacks.`, zh: `账号 ${it.target} 已收到回调。` }),
    advice: fixedText(
      "Paste its callbackUrl (wma accounts) into WeChat's console and send a message; PUBLIC_URL is the server's address from outside.",
      '请将其 callbackUrl（见 wma accounts）填入微信后台并发送一条消息；PUBLIC_URL 是服务的外网地址。',
    ),
    // So it is at every installation, and for good where producers hand in all references.
    except: ['readyz', 'alerts', 'page'],
    find: ({ accounts }) =>
      accounts?.filter(({ lastCallbackAt }) => !lastCallbackAt).map(({ account }) => ({ target: account })),
  },
} as const satisfies Record<string, Check>;
