/** /erasures: the latest erasures; and the progress and the proof of one. */
import { empty, type Fact, facts, link, panel, table, time } from '../../components/elements.ts';
import { pageOf } from '../../components/media-view.ts';
import { addressOf } from '../../core/address.ts';
import { type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { PageContent, PageContext } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { accountNames } from './filter-body.ts';
import { ACTS } from './texts.ts';
import type { Erasure } from './types.ts';

export const erasureAddress = (id: string): string => `/erasures/${encodeURIComponent(id)}`;

const TONES = { running: 'pending', kept: 'expired', done: 'archived', failed: 'dead' } as const;

const stateChip = ({ state }: Erasure, locale: Locale): Html =>
  html`<span class="chip" data-status="${TONES[state]}">${locale.of(ACTS).erasureState[state]}</span>`;

const progressBar = ({ done, total }: Erasure, locale: Locale): Html => {
  const t = locale.of(ACTS);
  return html`<progress value="${done}" max="${Math.max(total, 1)}" aria-label="${t.progress}"></progress> ${t.erasedOf(locale.number(done), locale.number(total))}`;
};

export async function erasuresPage(page: PageContext): Promise<PageContent> {
  const { api, locale } = page;
  const [t, words] = [locale.of(ACTS), locale.of(WORDS)];
  const [{ items }, names] = await Promise.all([
    api.get<{ items: readonly Erasure[] }>('/v1/erasures'),
    accountNames(page),
  ]);
  const rows = items.map((erasure) => [
    link(erasureAddress(erasure.id), time(locale, erasure.createdAt)),
    stateChip(erasure, locale),
    progressBar(erasure, locale),
    outside(names.get(erasure.account) ?? erasure.account),
    outside(erasure.actor),
    erasure.reason === undefined ? undefined : outside(erasure.reason),
  ]);
  return {
    title: t.erasures,
    section: '/media',
    main: panel(
      'erasures',
      t.latest,
      items.length === 0
        ? empty(t.none)
        : table(t.erasures, [t.requested, t.state, t.progress, words.account, t.by, words.reason], rows),
      { aside: page.may('admin') && link('/erase', t.newErasure, 'button danger') },
    ),
  };
}

/** What can be said about what is left. */
function proofOf(erasure: Erasure, locale: Locale): Html {
  const t = locale.of(ACTS);
  const { state, total, actor, finishedAt } = erasure;
  if (state === 'running') return html`<p>${t.proofRunning}</p>`;
  if (state === 'kept') return html`<p class="notice bad">${t.proofKept}</p>`;
  if (state === 'failed') return html`<p class="notice bad">${outside(erasure.problem ?? '')}</p>`;
  if (total === 0) return html`<p>${t.proofNone}</p>`;
  const at = finishedAt === undefined ? '' : locale.exact(finishedAt);
  return html`<p class="notice good">${t.proofDone(locale.number(total), actor, at)}</p>`;
}

function removedTable(erasure: Erasure, locale: Locale): Html | undefined {
  const [t, words] = [locale.of(ACTS), locale.of(WORDS)];
  const { removed } = erasure;
  if (removed.length === 0) return undefined;
  const kinds: Readonly<Record<string, string>> = words.kind;
  const rows = removed.map(({ kind, count, files, bytes }) => [
    kinds[kind] ?? outside(kind),
    locale.number(count),
    locale.number(files),
    locale.size(bytes),
  ]);
  return html`<h3>${t.removed}</h3>${table(t.removed, [t.kind, t.count, t.files, t.size], rows)}`;
}

function unfinishedTable({ unfinished = [] }: Erasure, locale: Locale): Html | undefined {
  if (unfinished.length === 0) return undefined;
  const t = locale.of(ACTS);
  const rows = unfinished.map((one) => [
    link(pageOf(one), one.id),
    time(locale, one.since),
    'problem' in one && one.problem !== undefined && outside(one.problem),
    'left' in one && one.left?.map(({ key }) => html`<code>${outside(key)}</code> `),
  ]);
  return panel('unfinished', t.unfinished, table(t.unfinished, [t.item, t.since, t.cause, t.left], rows));
}

export async function erasurePage(page: PageContext): Promise<PageContent> {
  const { api, locale } = page;
  const [t, words] = [locale.of(ACTS), locale.of(WORDS)];
  const [erasure, names] = await Promise.all([
    api.get<Erasure>(`/v1${erasureAddress(page.params.id ?? '')}`),
    accountNames(page),
  ]);
  const list: (Fact | undefined)[] = [
    { name: t.state, value: stateChip(erasure, locale) },
    { name: t.progress, value: progressBar(erasure, locale) },
    { name: words.account, value: outside(names.get(erasure.account) ?? erasure.account) },
    { name: t.requested, value: time(locale, erasure.createdAt, false) },
    { name: t.by, value: outside(erasure.actor) },
    erasure.reason === undefined ? undefined : { name: words.reason, value: outside(erasure.reason) },
    erasure.finishedAt === undefined
      ? undefined
      : { name: t.ended, value: time(locale, erasure.finishedAt, false) },
    { name: t.inLog, value: link(addressOf('/audit-log', { target: erasure.id }), t.showEntries) },
  ];
  return {
    title: t.erasure,
    section: '/media',
    main: html`${panel('proof', t.proof, html`${proofOf(erasure, locale)}${removedTable(erasure, locale)}`)}
${panel('erasure', erasure.id, facts(locale, list), { aside: link('/erasures', t.latest) })}
${unfinishedTable(erasure, locale)}`,
  };
}
