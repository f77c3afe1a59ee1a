/** /accounts: each account with its hold, quota, token and callbacks; and the form that holds one. */

import { Problem } from '../../../problem.ts';
import { empty, problemBox } from '../../components/elements.ts';
import { formEnd, radioField, reasonField } from '../../components/forms.ts';
import { isProbing } from '../../components/state-line.ts';
import { ApiError, apiErrorOf } from '../../core/api.ts';
import { attributes, html, outside } from '../../core/html.ts';
import { offsetOf } from '../../core/locale.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { accountAddress, accountPath, accountSection } from './account-section.ts';
import { ACCOUNTS } from './accounts-texts.ts';
import type { Account, AccountCheck, Stats } from './types.ts';

const HOURS: Readonly<Record<string, number>> = { '1h': 1, '4h': 4, '12h': 12, '24h': 24 };
/** Date and time as browsers send them, in no time zone. */
const LOCAL_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/;

const listAccounts = async ({ api }: PageContext): Promise<readonly Account[]> =>
  (await api.get<{ items: readonly Account[] }>('/v1/accounts')).items;

const idOf = (page: PageContext): string => page.params.account ?? '';

/** What a check has found wrong with an account. */
interface Refused {
  readonly name: string;
  readonly message: string;
  readonly advice: string;
}

async function render(
  page: PageContext,
  { error, refused }: { error?: ApiError; refused?: Refused } = {},
): Promise<PageContent> {
  const t = page.locale.of(ACCOUNTS);
  const [accounts, { checks }] = await Promise.all([listAccounts(page), page.api.get<Stats>('/v1/stats')]);
  const result =
    refused &&
    html`<div class="notice bad" role="alert"><p><strong>${outside(refused.name)}: ${outside(refused.message)}</strong></p><p>${outside(refused.advice)}</p></div>`;
  return {
    title: t.title,
    section: '/accounts',
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}${result}
${accounts.length === 0 && empty(t.none)}
${accounts.map((account) => accountSection(account, page, isProbing(checks, account)))}`,
  };
}

export const accountsPage = (page: PageContext): Promise<PageContent> => render(page);

/** Runs an action on the account of the address; what failed is said on top of the page. */
const act =
  (run: (page: PageContext, path: string, name: string) => Promise<PageContent | Redirect>) =>
  (page: PageContext): Promise<PageContent | Redirect> =>
    orExplain(
      async () => {
        const account = (await listAccounts(page)).find(({ account }) => account === idOf(page));
        return run(page, `/v1${accountPath(idOf(page))}`, account?.name ?? idOf(page));
      },
      (error) => render(page, { error }),
    );

export const releaseAccount = act(async (page, path, name) => {
  await page.api.send('DELETE', `${path}/hold`);
  return { redirect: accountAddress(idOf(page)), notice: notice('released', name) };
});

export const checkAccount = act(async (page, path, name) => {
  const { ok, message, advice } = await page.api.send<AccountCheck>('POST', `${path}/check`);
  if (!ok) return render(page, { refused: { name, message, advice } });
  return { redirect: accountAddress(idOf(page)), notice: notice('checked', name) };
});

interface Typed {
  readonly how: string;
  readonly until: string;
  readonly reason: string;
}

async function renderHold(page: PageContext, typed: Typed, wrong?: ApiError | 'time'): Promise<PageContent> {
  const { locale } = page;
  const t = locale.of(ACCOUNTS);
  const account = (await listAccounts(page)).find(({ account }) => account === idOf(page));
  if (!account) throw apiErrorOf(new Problem('account_not_found'), locale.language);
  const isWrongTime = wrong === 'time';
  const untilField = html`<div class="field"><label for="f-until">${t.untilTimeLabel(locale.timeZone)}</label><input id="f-until" name="until" type="datetime-local" value="${typed.until}"${attributes({ 'aria-describedby': isWrongTime && 'f-until-mistake', 'aria-invalid': isWrongTime && 'true' })}>${isWrongTime && html`<span class="mistake" id="f-until-mistake">${t.noTime}</span>`}</div>`;
  const error = wrong instanceof ApiError ? wrong : undefined;
  return {
    title: t.holdTitle(account.name ?? account.account),
    section: '/accounts',
    isLive: false,
    ...(wrong ? { status: error?.status ?? 422 } : {}),
    main: html`${problemBox(error?.problem)}
<p>${t.heldHint}</p>
<form method="post" action="${accountPath(idOf(page))}/hold" class="panel ask">
${radioField(
  'how',
  t.howLong,
  [
    ...Object.entries(HOURS).map(([value, hours]) => [value, hours === 1 ? t.hour : t.hours(hours)] as const),
    ['until', t.untilTime, untilField],
    ['endless', t.endless],
  ],
  typed.how,
)}
${reasonField(locale, typed.reason, { isRequired: true })}
${formEnd(locale, t.startHold, accountAddress(idOf(page)))}
</form>`,
  };
}

export const holdPage = (page: PageContext): Promise<PageContent> =>
  renderHold(page, { how: '1h', until: '', reason: '' });

/** How long, as the API takes it; 'time': the time of the end is missing. */
function lengthOf({ how, until }: Typed, { locale }: PageContext): { for?: string; until?: string } | 'time' {
  if (how === 'endless') return {};
  if (how in HOURS) return { for: how };
  if (!LOCAL_TIME.test(until)) return 'time';
  const asUtc = new Date(`${until}Z`);
  if (Number.isNaN(asUtc.getTime())) return 'time';
  const seconds = until.length === 16 ? ':00' : '';
  return { until: `${until}${seconds}${offsetOf(locale.timeZone, asUtc)}` };
}

export async function holdAccount(page: PageContext): Promise<PageContent | Redirect> {
  const field = (name: string) => page.form.get(name) ?? '';
  const typed = { how: field('how'), until: field('until'), reason: field('reason') };
  const length = lengthOf(typed, page);
  if (length === 'time') return renderHold(page, typed, 'time');
  return orExplain(
    async () => {
      const body = { reason: typed.reason, ...length };
      const path = `/v1${accountPath(idOf(page))}/hold`;
      const { name, account } = await page.api.send<Account>('PUT', path, body);
      return { redirect: accountAddress(account), notice: notice('held', name ?? account) };
    },
    (error) => renderHold(page, typed, error),
  );
}
