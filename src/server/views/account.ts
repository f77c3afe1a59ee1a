/** The JSON of an account in the API: its state, without secrets. */
import type { Account } from '../../account.ts';
import type { AccountState } from '../../catalogue/accounts/accounts.ts';
import type { CallbackCount } from '../../catalogue/accounts/callback-counts.ts';
import type { KfAccountState } from '../../catalogue/accounts/kf-cursors.ts';
import { quotaOfToday } from '../../pipeline/archive/remaining-quota.ts';
import { accountHoldJson, isHeld } from '../../pipeline/views/account-hold.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import { dayOf, daysBefore, SKEW_SECONDS } from '../callbacks/callback-counter.ts';
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

/** The days in `callbacks.byDay`. */
export const DAYS_SHOWN = 28;

/** Returns every day, oldest first, so that a day without callbacks is seen. */
function byDayJson(counts: readonly CallbackCount[], now: Date) {
  const days = Array.from({ length: DAYS_SHOWN }, (_, index) => daysBefore(now, DAYS_SHOWN - 1 - index));
  const sum = (ofDay: string, isRefused: boolean) =>
    counts
      .filter(({ day, refused }) => day === ofDay && refused === isRefused)
      .reduce((total, { count }) => total + count, 0);
  return days.map((day) => ({ day, received: sum(day, false), refused: sum(day, true) }));
}

const SETTINGS_OF_SECRETS = {
  file: { token: 'ACCOUNTS_FILE: token', key: 'ACCOUNTS_FILE: encodingAesKey' },
  variables: { token: 'WECHAT_TOKEN', key: 'WECHAT_ENCODING_AES_KEY' },
  nothing: { token: 'simulated', key: 'simulated' },
} as const;

/** The modes in which callbacks are accepted, the best one last. */
function modesOf(hasKey: boolean, requiresEncryption: boolean): ('plain' | 'compatible' | 'safe')[] {
  if (requiresEncryption) return ['safe'];
  return hasKey ? ['plain', 'compatible', 'safe'] : ['plain'];
}

/** What is typed into WeChat's console, and where this side has it. Never a secret itself. */
function consoleJson({ encodingAesKey, requireEncryption }: Account, view: AccountView) {
  const { token, key } = SETTINGS_OF_SECRETS[view.configuredBy];
  return {
    url: view.callbackUrl,
    token: { isSet: true, setting: token },
    encodingAesKey: { isSet: encodingAesKey !== undefined, setting: key },
    modes: modesOf(encodingAesKey !== undefined, requireEncryption),
  };
}

export interface AccountView {
  readonly callbackUrl: string;
  readonly now: Date;
  readonly language: Language;
  readonly services: readonly KfAccountState[];
  /** `nothing`: WeChat is simulated. */
  readonly configuredBy: keyof typeof SETTINGS_OF_SECRETS;
}

/** `counts`: the callback counts of this account for the last {@link DAYS_SHOWN} days. */
export function accountJson(
  configured: Account,
  state: AccountState,
  counts: readonly CallbackCount[],
  view: AccountView,
) {
  const { account, name, product } = configured;
  const { lastCallbackAt, tokenExpiresAt } = state;
  const { callbackUrl, now, language } = view;
  const firstOfWeek = daysBefore(now, 6);
  const quota = quotaOfToday(state.quota, now);
  return {
    account,
    ...(name ? { name } : {}),
    product,
    callbackUrl,
    console: consoleJson(configured, view),
    ...(lastCallbackAt ? { lastCallbackAt } : {}),
    callbacks: {
      today: callbacksJson(counts.filter(({ day }) => day === dayOf(now))),
      last7Days: callbacksJson(counts.filter(({ day }) => day >= firstOfWeek)),
      byDay: byDayJson(counts, now),
    },
    ...skewJson(state, now, language),
    ...(tokenExpiresAt ? { token: { expiresAt: tokenExpiresAt } } : {}),
    ...(quota ? { quota } : {}),
    ...serviceJson(view.services, language),
    hold: isHeld(state, now) ? accountHoldJson(state, language) : null,
  };
}
