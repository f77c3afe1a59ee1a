/** `/`: the state of the service on one page, what needs attention first. Every number leads to the list behind it. */
import { panel, table, time } from '../../components/elements.ts';
import { mediaCard, postersOf } from '../../components/media-card.ts';
import { isProbing } from '../../components/state-line.ts';
import { addressOf } from '../../core/address.ts';
import { attributes, type Child, type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { MediaPage } from '../../core/media-json.ts';
import type { PageContent, PageContext } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import type { DeadLetterGroup } from '../acts/types.ts';
import type { Account } from '../operations/types.ts';
import { holdsPanel, type Stats } from './attention.ts';
import { charts, type History, isRange, RANGES } from './charts.ts';
import { partsPanel, readParts } from './parts.ts';
import { OVERVIEW } from './texts.ts';

const NEWEST = 8;
const CAUSES = 5;
const DAY_MS = 86_400_000;
const URGENCIES = ['overdue', 'under1h', 'under6h', 'under24h', 'over24h'] as const;
/** The time left of each bar, as the filters of the media page. */
const DUE = {
  overdue: { due: '0s' },
  under1h: { dueFrom: '0s', due: '1h' },
  under6h: { dueFrom: '1h', due: '6h' },
  under24h: { dueFrom: '6h', due: '24h' },
  over24h: { dueFrom: '24h' },
} as const;

interface DeadLetters {
  readonly groups: readonly DeadLetterGroup[];
}

function tiles(stats: Stats, now: Date, locale: Locale): Html {
  const t = locale.of(OVERVIEW);
  const { byStatus, archivedPerMinute, tightestExpirySeconds, atRisk, lostLast7Days } = stats;
  // A time, not a number of seconds: the page would differ each second.
  const deadline =
    tightestExpirySeconds === undefined
      ? undefined
      : new Date(Math.round((now.getTime() + tightestExpirySeconds * 1000) / 60_000) * 60_000).toISOString();
  const list: readonly {
    name: string;
    value: Child;
    href: string;
    tone?: string | undefined;
    hint?: string;
  }[] = [
    {
      name: t.backlog,
      value: locale.number(byStatus.pending),
      href: '/media?status=pending',
      tone: 'pending',
    },
    {
      name: t.archivedPerMinute,
      value: locale.number(archivedPerMinute),
      href: '/media?status=archived',
      tone: 'archived',
    },
    {
      name: t.tightest,
      value: deadline ? time(locale, deadline) : t.none,
      href: '/media?status=pending&due=6h',
      tone: tightestExpirySeconds !== undefined && tightestExpirySeconds < 6 * 3600 ? 'dead' : undefined,
    },
    {
      name: t.atRisk,
      value: locale.number(atRisk),
      href: '/media?status=pending&due=6h',
      tone: atRisk > 0 ? 'dead' : undefined,
      hint: t.atRiskHint,
    },
    {
      name: t.lost,
      value: locale.number(lostLast7Days),
      href: addressOf('/media', {
        status: 'expired',
        from: locale.day(new Date(now.getTime() - 7 * DAY_MS)),
      }),
      tone: lostLast7Days > 0 ? 'expired' : undefined,
    },
  ];
  return html`<section aria-labelledby="tiles-title"><h2 id="tiles-title" class="visually-hidden">${t.counts}</h2>
<ul class="tiles">${list.map(
    ({ name, value, href, tone, hint }) =>
      html`<li><a class="tile" href="${href}"${attributes({ 'data-status': tone })}><span class="tile-name">${name}</span><strong class="tile-value">${value}</strong>${hint && html`<span class="hint">${hint}</span>`}</a></li>`,
  )}</ul></section>`;
}

function backlogPanel({ backlog }: Stats, locale: Locale): Html {
  const t = locale.of(OVERVIEW);
  const most = Math.max(1, ...URGENCIES.map((name) => backlog[name]));
  const isEmpty = URGENCIES.every((name) => backlog[name] === 0);
  return panel(
    'backlog',
    t.byTimeLeft,
    isEmpty
      ? html`<p class="hint">${t.nothingWaits}</p>`
      : html`<ul class="bars">${URGENCIES.map(
          (name) =>
            html`<li><a class="bar" href="${addressOf('/media', { status: 'pending', ...DUE[name] })}"><span>${t.urgency[name]}</span>
<svg class="bar-line" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="bar-part" data-urgency="${name}" width="${((100 * backlog[name]) / most).toFixed(1)}" height="10"/></svg>
<strong>${locale.number(backlog[name])}</strong></a></li>`,
        )}</ul>`,
  );
}

function deadLetterPanel(
  { groups }: DeadLetters,
  page: PageContext,
  names: ReadonlyMap<string, string>,
): Html {
  const { locale, may } = page;
  const t = locale.of(OVERVIEW);
  if (groups.length === 0)
    return panel('causes', t.deadLetters, html`<p class="hint">${t.noDeadLetters}</p>`);
  const rows = groups.slice(0, CAUSES).map(({ account, code, errcode, count, message, advice }) => {
    const filter = { status: 'dead', account, errcode: errcode ?? undefined };
    return [
      html`<a href="${addressOf('/media', filter)}"><strong>${locale.number(count)}</strong></a>`,
      outside(names.get(account) ?? account),
      html`<code>${outside(errcode ?? code)}</code> ${outside(message)}`,
      outside(advice),
      may('admin') && html`<a class="button" href="${addressOf('/redrive', filter)}">${t.redrive}</a>`,
    ];
  });
  return panel(
    'causes',
    t.deadLetters,
    table(
      t.deadLetters,
      [
        t.count,
        locale.of(WORDS).account,
        t.cause,
        t.advice,
        html`<span class="visually-hidden">${t.redrive}</span>`,
      ],
      rows,
    ),
    { aside: html`<a href="/dead-letters">${t.allDeadLetters}</a>` },
  );
}

function accountPanel(accounts: readonly Account[], stats: Stats, locale: Locale): Html {
  const t = locale.of(OVERVIEW);
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((total, one) => total + one, 0);
  const stateOf = (account: Account) =>
    account.hold
      ? html`<span class="chip" data-status="dead">${t.onHold}</span>`
      : isProbing(stats.checks, account)
        ? html`<span class="chip" data-status="expired">${t.probing}</span>`
        : html`<span class="chip" data-status="archived">${t.works}</span>`;
  const rows = accounts.map((one) => [
    html`<a href="/accounts#${encodeURIComponent(one.account)}">${outside(one.name ?? one.account)}</a>`,
    stateOf(one),
    one.lastCallbackAt ? time(locale, one.lastCallbackAt) : t.noCallback,
    locale.number(sum(one.callbacks.today.received)),
  ]);
  return panel(
    'accounts',
    t.accounts,
    table(t.accounts, [locale.of(WORDS).account, t.state, t.lastCallback, t.callbacksToday], rows),
  );
}

export async function overviewPage(page: PageContext): Promise<PageContent> {
  const { api, locale, query } = page;
  const t = locale.of(OVERVIEW);
  const asked = query.get('range');
  const range = isRange(asked) ? asked : '24h';
  const now = new Date();
  const [stats, dead, { items: accounts }, history, newest, parts] = await Promise.all([
    api.get<Stats>('/v1/stats'),
    api.get<DeadLetters>('/v1/dead-letters'),
    api.get<{ items: Account[] }>('/v1/accounts'),
    api.get<History>('/v1/stats/history', RANGES[range]),
    api.get<MediaPage>('/v1/media', { limit: NEWEST, include: 'link', covers: 'exclude' }),
    readParts(page),
  ]);
  const names = new Map(accounts.map(({ account, name }) => [account, name ?? account]));
  const posters = await postersOf(newest.items, page);
  return {
    title: t.title,
    section: '/',
    scripts: ['media', 'charts'],
    main: html`${holdsPanel(stats, accounts, page)}
${tiles(stats, now, locale)}
<div class="columns">${backlogPanel(stats, locale)}${accountPanel(accounts, stats, locale)}</div>
${deadLetterPanel(dead, page, names)}
${panel('charts', t.history, charts(history, range, locale))}
${partsPanel(parts, locale)}
${panel(
  'newest',
  t.newest,
  html`<ul class="grid">${newest.items.map((media) => mediaCard(media, locale, names, posters.get(media.id)))}</ul>`,
  { aside: html`<a href="/media">${t.all}</a>` },
)}`,
  };
}
