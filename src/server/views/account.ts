/** The JSON of an account in the API: its state, without secrets. */
import type { Account } from '../../account.ts';
import { type AccountState, ENDLESS, HELD_BY_HAND } from '../../catalogue/accounts/accounts.ts';
import type { CallbackCount } from '../../catalogue/accounts/callback-counts.ts';
import type { KfAccountState } from '../../catalogue/accounts/kf-cursors.ts';
import { quotaOfToday } from '../../pipeline/archive/remaining-quota.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import { dayOf, SKEW_SECONDS } from '../callbacks/callback-counter.ts';
import type { Language } from '../problem.ts';

const SKEW_SHOWN_MS = 3_600_000;

const SKEW_TEXTS = {
  message: {
    ahead: { en: 'The clock of this server is ahead of WeChat’s.', zh: '本机时钟比微信服务器快。' },
    behind: { en: 'The clock of this server is behind WeChat’s.', zh: '本机时钟比微信服务器慢。' },
  },
  advice: {
    en: 'Set the clock by NTP: plain callbacks are refused if the difference is more than 15 minutes.',
    zh: '请用 NTP 校准：明文模式下，相差超过 15 分钟的回调会被拒绝。',
  },
} as const;

/** Whether the account is held, so that none of its items is dispatched now. */
export const isHeld = ({ heldUntil }: Pick<AccountState, 'heldUntil'>, now: Date): boolean =>
  heldUntil !== undefined && heldUntil > now;

function holdJson({ hold, heldUntil, heldSince }: AccountState, language: Language) {
  const reason = hold ?? { code: HELD_BY_HAND, class: 'account' };
  const { message, advice } = explain(reason);
  return {
    ...reason,
    reason: hold?.reason ?? message[language],
    ...(heldSince ? { since: heldSince } : {}),
    ...(heldUntil && heldUntil < ENDLESS ? { until: heldUntil } : {}),
    message: message[language],
    advice: advice[language],
  };
}

function skewJson({ clockSkew }: AccountState, now: Date, language: Language) {
  if (!clockSkew || Math.abs(clockSkew.seconds) <= SKEW_SECONDS) return {};
  if (now.getTime() - clockSkew.at.getTime() > SKEW_SHOWN_MS) return {};
  const { message, advice } = SKEW_TEXTS;
  const direction = clockSkew.seconds > 0 ? 'ahead' : 'behind';
  return { clockSkew: { ...clockSkew, message: message[direction][language], advice: advice[language] } };
}

function callbacksJson(counts: readonly CallbackCount[]) {
  const sums = { received: {} as Record<string, number>, refused: {} as Record<string, number> };
  for (const { refused, what, count } of counts) {
    const sum = refused ? sums.refused : sums.received;
    sum[what] = (sum[what] ?? 0) + count;
  }
  return sums;
}

function serviceJson(services: readonly KfAccountState[], language: Language) {
  if (services.length === 0) return {};
  const shown = services.map(({ openKfId, readAt, failure, failingSince }) => ({
    openKfId,
    ...(readAt ? { lastReadAt: readAt } : {}),
    ...(failure
      ? {
          failure: {
            ...failure,
            ...(failingSince ? { since: failingSince } : {}),
            message: explain(failure).message[language],
            advice: explain(failure).advice[language],
          },
        }
      : {}),
  }));
  return { customerService: shown };
}

/** `counts`: the callback counts of this account for the last seven days. */
export function accountJson(
  { account, name, product }: Account,
  state: AccountState,
  counts: readonly CallbackCount[],
  view: { callbackUrl: string; now: Date; language: Language; services: readonly KfAccountState[] },
) {
  const { lastCallbackAt, tokenExpiresAt } = state;
  const { callbackUrl, now, language } = view;
  const quota = quotaOfToday(state.quota, now);
  return {
    account,
    ...(name ? { name } : {}),
    product,
    callbackUrl,
    ...(lastCallbackAt ? { lastCallbackAt } : {}),
    callbacks: {
      today: callbacksJson(counts.filter(({ day }) => day === dayOf(now))),
      last7Days: callbacksJson(counts),
    },
    ...skewJson(state, now, language),
    ...(tokenExpiresAt ? { token: { expiresAt: tokenExpiresAt } } : {}),
    ...(quota ? { quota } : {}),
    ...serviceJson(view.services, language),
    hold: isHeld(state, now) ? holdJson(state, language) : null,
  };
}
