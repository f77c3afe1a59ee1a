/** An account as a section of /accounts. Its id is the HTML id, so that other pages lead to it. */
import { code, copyButton, type Fact, facts, table, time } from '../../components/elements.ts';
import { actionButton, actionLink } from '../../components/forms.ts';
import { attributes, type Html, html, outside, visible } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { PageContext } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { ACCOUNTS } from './accounts-texts.ts';
import type { Account, Hold } from './types.ts';

/** The code of a hold that a person set. Others end after a probe. */
const BY_HAND = 'held_by_hand';

/** The setting of a secret that no person has typed. */
const SIMULATED = 'simulated';
/** Of the days with their callbacks; the others are in a part that opens. */
const DAYS_SHOWN = 7;

export const accountPath = (account: string): string => `/accounts/${encodeURIComponent(account)}`;
export const accountAddress = (account: string): string => `/accounts#${encodeURIComponent(account)}`;

/** A measure with its numbers, because a meter alone says nothing to those who do not see it. */
const meter = (value: number, max: number, label: string, low?: boolean): Html =>
  html`<meter value="${value}" min="0" max="${Math.max(max, 1)}"${attributes({ 'aria-label': label, ...(low ? { high: max * 0.8, optimum: 0 } : {}) })}></meter>`;

function holdBox({ account, name }: Account, hold: Hold, page: PageContext): Html {
  const { locale } = page;
  const [t, words] = [locale.of(ACCOUNTS), locale.of(WORDS)];
  const isByHand = hold.code === BY_HAND;
  const list: (Fact | undefined | false)[] = [
    isByHand
      ? { name: words.reason, value: outside(hold.reason) }
      : {
          name: t.cause,
          value: html`<code>${outside(hold.errcode ?? hold.code)}</code> ${outside(hold.message)}`,
        },
    !isByHand && { name: t.advice, value: outside(hold.advice) },
    { name: t.by, value: hold.by === undefined ? t.automatic : outside(hold.by) },
    hold.since !== undefined && { name: t.since, value: time(locale, hold.since, false) },
    {
      name: isByHand ? t.until : t.untilProbe,
      value: hold.until === undefined ? t.untilReleased : time(locale, hold.until, false),
    },
  ];
  const button =
    page.may('admin') &&
    html`<div class="actions">${actionButton(`${accountPath(account)}/release`, isByHand ? t.release : t.releaseProbe, { about: name ?? account })}</div>`;
  return html`<div class="notice held"><h3>${t.heldTitle}</h3><p class="hint">${t.heldHint}</p>${facts(locale, list)}${button}</div>`;
}

function quotaOf({ quota }: Account, locale: Locale): Fact | undefined {
  if (!quota) return undefined;
  const t = locale.of(ACCOUNTS);
  const { used, dailyLimit, remain, readAt } = quota;
  const [usedText, limitText] = [locale.number(used), locale.number(dailyLimit)];
  return {
    name: t.quota,
    value: html`${meter(used, dailyLimit, t.quota, true)} ${t.quotaOf(usedText, limitText)} · ${t.remain(locale.number(remain))} <span class="hint">${t.readAt} ${time(locale, readAt)}</span>`,
  };
}

/** What is typed into WeChat's console. Secrets are never shown, so they are named by the setting that has them. */
function consoleFacts({ callbackUrl, console }: Account, locale: Locale): (Fact | undefined)[] {
  const t = locale.of(ACCOUNTS);
  const url = html`<span class="paste">${code(callbackUrl)}</span>${copyButton(locale, callbackUrl, t.callbackUrl)}<br><span class="hint">${t.paste}</span>`;
  const settingOf = (setting: string) =>
    setting === SIMULATED ? t.simulated : html`${t.takenFrom} ${code(setting)}`;
  const secret = (name: string, field: { isSet: boolean; setting: string }): Fact => ({
    name,
    value: field.isSet ? settingOf(field.setting) : t.notConfigured,
  });
  const mode = console.modes.at(-1);
  return [
    { name: t.callbackUrl, value: url },
    secret('Token', console.token),
    secret('EncodingAESKey', console.encodingAesKey),
    mode && { name: t.mode, value: t.modes[mode] },
  ];
}

function accountFacts(account: Account, locale: Locale): Html {
  const t = locale.of(ACCOUNTS);
  const { clockSkew, token, lastCallbackAt } = account;
  return facts(locale, [
    { name: t.id, value: code(account.account), copy: account.account },
    ...consoleFacts(account, locale),
    { name: t.lastCallback, value: lastCallbackAt === undefined ? t.never : time(locale, lastCallbackAt) },
    { name: t.token, value: token === undefined ? t.noToken : time(locale, token.expiresAt, false) },
    quotaOf(account, locale),
    clockSkew && { name: t.clock, value: html`${outside(clockSkew.message)} ${outside(clockSkew.advice)}` },
  ]);
}

/** Today and the last seven days by type, and each day with its share of the largest one. */
function callbackTables({ callbacks, name, account }: Account, locale: Locale): Html {
  const t = locale.of(ACCOUNTS);
  const { today, last7Days, byDay } = callbacks;
  const about = visible(name ?? account);
  const rowsOf = (kind: 'received' | 'refused') =>
    Object.entries(last7Days[kind]).map(([what, count]) => [
      kind === 'received' ? t.received : t.refused,
      outside(what),
      locale.number(today[kind][what] ?? 0),
      locale.number(count),
    ]);
  const rows = [...rowsOf('received'), ...rowsOf('refused')];
  const hasAny = byDay.some(({ received, refused }) => received + refused > 0);
  const most = Math.max(...byDay.map(({ received, refused }) => received + refused), 1);
  const days = byDay
    .toReversed()
    .map(({ day, received, refused }) => [
      day,
      meter(received + refused, most, `${t.share}: ${day}`),
      locale.number(received),
      locale.number(refused),
    ]);
  const heads = [t.byDay, t.share, t.received, t.refused];
  const earlier =
    days.length > DAYS_SHOWN &&
    html`<details id="earlier-${account}"><summary>${t.earlier}</summary>${table(`${t.earlier}: ${about}`, heads, days.slice(DAYS_SHOWN))}</details>`;
  const types =
    rows.length === 0
      ? html`<p class="hint">${t.noCallbacks}</p>`
      : table(`${t.callbacks}: ${about}`, [t.callbacks, t.type, t.today, t.last7Days], rows);
  return html`<div class="columns"><div>${types}</div>${hasAny && html`<div>${table(`${t.byDay}: ${about}`, heads, days.slice(0, DAYS_SHOWN))}${earlier}</div>`}</div>`;
}

function customerService({ customerService: services = [], name, account }: Account, locale: Locale) {
  if (services.length === 0) return undefined;
  const t = locale.of(ACCOUNTS);
  const rows = services.map(({ openKfId, lastReadAt, failure }) => [
    code(openKfId),
    lastReadAt === undefined ? t.never : time(locale, lastReadAt),
    failure && html`${outside(failure.message)} <span class="hint">${outside(failure.advice)}</span>`,
  ]);
  const caption = `${t.kf}: ${visible(name ?? account)}`;
  return html`<h3>${t.kf}</h3>${table(caption, [t.openKfId, t.lastRead, t.failure], rows)}`;
}

/** `isProbing`: its hold is over, and no probe has succeeded yet. */
export function accountSection(account: Account, page: PageContext, isProbing: boolean): Html {
  const { locale } = page;
  const t = locale.of(ACCOUNTS);
  const { account: id, hold } = account;
  const name = account.name ?? id;
  const path = accountPath(id);
  // Findings name an account by its name, so that a link of theirs leads here too.
  const anchor = account.name !== undefined && attributes({ id: account.name });
  const state = hold
    ? html`<span class="chip" data-status="expired">${t.held}</span>`
    : isProbing
      ? html`<span class="chip" data-status="expired">${t.probing}</span>`
      : html`<span class="chip" data-status="archived">${t.working}</span>`;
  const buttons =
    page.may('admin') &&
    html`<div class="actions">${actionButton(`${path}/check`, t.check, { about: name })} ${actionLink(`${path}/hold`, t.hold, name)}</div>`;
  return html`<section class="panel" id="${id}" aria-labelledby="${id}-title">
<div class="panel-head"><h2 id="${id}-title"><span${anchor}>${outside(name)}</span> ${state} <span class="hint">${t.product[account.product]}</span></h2>${buttons}</div>
${hold && holdBox(account, hold, page)}
${accountFacts(account, locale)}
<h3>${t.callbacks}</h3>
${callbackTables(account, locale)}
${customerService(account, locale)}
</section>`;
}
