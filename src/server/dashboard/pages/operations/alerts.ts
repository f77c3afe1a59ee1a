/** /alerts: what is wrong now, and which alerts began, lasted and ended. */
import { empty, type Fact, facts, panel, problemBox, table, time } from '../../components/elements.ts';
import { actionButton, actionLink } from '../../components/forms.ts';
import { acknowledgedBy, pageOfFinding } from '../../components/state-line.ts';
import { addressOf } from '../../core/address.ts';
import type { ApiError } from '../../core/api.ts';
import { type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import { notice } from '../../core/notice.ts';
import { orExplain, type PageContent, type PageContext, type Redirect } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { OPERATIONS } from './texts.ts';
import type { Alert, Finding, Stats } from './types.ts';

const PATH = '/alerts';
const SHOWN = 50;
const TONES = { error: 'dead', warning: 'expired', notice: 'pending' } as const;
/** Whether the key may act for the whole service, and not only for accounts of its own. */
export const isOperator = ({ may, principal }: PageContext): boolean =>
  may('admin') && principal.accounts === undefined;

const severityChip = (severity: Finding['severity'], locale: Locale): Html =>
  html`<span class="chip" data-status="${TONES[severity]}">${locale.of(OPERATIONS).severity[severity]}</span>`;

function findingRow(finding: Finding, page: PageContext): Html {
  const { locale } = page;
  const t = locale.of(OPERATIONS);
  const { code, severity, since, count, message, advice } = finding;
  const address = pageOfFinding(finding);
  const status = acknowledgedBy(code);
  return html`<li class="row">
<h3>${severityChip(severity, locale)} ${outside(message)}</h3>
<p>${outside(advice)}</p>
<p class="facts">${t.since} ${time(locale, since)}${count > 1 && ` · ${t.count}: ${locale.number(count)}`} · <code>${code}</code></p>
<div class="actions">${address !== PATH && actionLink(address, t.see, message)} ${status !== undefined && page.may('admin') && actionButton(`${PATH}/acknowledge`, t.acknowledge, { about: message, fields: { status } })}</div>
</li>`;
}

function storeHoldPanel({ storeHold }: Stats, page: PageContext): Html | undefined {
  if (!storeHold) return undefined;
  const { locale } = page;
  const t = locale.of(OPERATIONS);
  const { code, message, advice, since, until } = storeHold;
  const list: Fact[] = [
    {
      name: locale.of(WORDS).reason,
      value: html`<code>${outside(code)}</code> ${outside(message)} ${outside(advice)}`,
    },
    { name: t.since, value: time(locale, since, false) },
    { name: t.nextProbe, value: time(locale, until, false) },
  ];
  return panel(
    'store-hold',
    t.storeHeld,
    html`<p class="hint">${t.storeHeldHint}</p>${facts(locale, list)}${isOperator(page) && html`<div class="actions">${actionButton(`${PATH}/release-store`, t.releaseStore)}</div>`}`,
  );
}

function alertTable(alerts: readonly Alert[], locale: Locale): Html {
  const t = locale.of(OPERATIONS);
  const rows = alerts.map(({ severity, message, target, since, endedAt, lastSentAt, count }) => [
    severityChip(severity, locale),
    html`${outside(message)}${target !== '' && html` <span class="hint">${outside(target)}</span>`}`,
    time(locale, since),
    endedAt === undefined ? t.lasting : time(locale, endedAt),
    endedAt === undefined ? '' : locale.duration((Date.parse(endedAt) - Date.parse(since)) / 1000),
    locale.number(count),
    lastSentAt === undefined ? t.notSent : time(locale, lastSentAt),
  ]);
  return table(t.history, [t.level, t.alert, t.began, t.ended, t.lasted, t.count, t.sent], rows);
}

async function render(page: PageContext, error?: ApiError): Promise<PageContent> {
  const { api, locale, query } = page;
  const [t, words] = [locale.of(OPERATIONS), locale.of(WORDS)];
  const before = query.get('before') ?? undefined;
  const [stats, { items, nextBefore }] = await Promise.all([
    api.get<Stats>('/v1/stats'),
    api.get<{ items: readonly Alert[]; nextBefore: number | null }>('/v1/alerts', { before, limit: SHOWN }),
  ]);
  const test = isOperator(page) && actionButton(`${PATH}/test`, t.sendTest);
  const pages =
    (before !== undefined || nextBefore !== null) &&
    html`<nav class="pager" aria-label="${words.pages}">${before !== undefined && html`<a class="button" href="${PATH}#history">${words.newer}</a>`} ${nextBefore !== null && html`<a class="button" rel="next" href="${addressOf(PATH, { before: nextBefore })}#history">${words.older}</a>`}</nav>`;
  const { checks } = stats;
  return {
    title: t.alerts,
    section: PATH,
    ...(error ? { status: error.status } : {}),
    main: html`${problemBox(error?.problem)}
${panel('now', t.now, checks.length === 0 ? empty(t.calm) : html`<ul class="rows">${checks.map((finding) => findingRow(finding, page))}</ul>`)}
${storeHoldPanel(stats, page)}
${panel('history', t.history, html`${items.length === 0 ? empty(t.noAlerts) : alertTable(items, locale)}${pages}`, { aside: test })}`,
  };
}

export const alertsPage = (page: PageContext): Promise<PageContent> => render(page);

/** Runs an action and leads back to this page; what failed is said on top of it. */
const act =
  (run: (page: PageContext) => Promise<Redirect>) =>
  (page: PageContext): Promise<PageContent | Redirect> =>
    orExplain(
      () => run(page),
      (error) => render(page, error),
    );

export const testAlert = act(async ({ api }) => {
  const { to } = await api.send<{ to: string }>('POST', '/v1/alerts/test');
  return { redirect: PATH, notice: notice('alertSent', to) };
});

export const releaseStore = act(async ({ api }) => {
  await api.send('DELETE', '/v1/store/hold');
  return { redirect: PATH, notice: notice('storeReleased') };
});

export const acknowledge = act(async ({ api, form }) => {
  await api.send('POST', '/v1/acknowledgements', { status: form.get('status') });
  return { redirect: PATH, notice: notice('acknowledged') };
});
