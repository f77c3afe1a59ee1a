/** /audit-log: who did what to what, and why. Its filters stand in the address. */
import { empty, link, panel, table, time } from '../../components/elements.ts';
import { selectField, textField } from '../../components/forms.ts';
import { pageOf } from '../../components/media-view.ts';
import { addressOf } from '../../core/address.ts';
import { type Child, type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { PageContent, PageContext } from '../../core/page.ts';
import { WORDS } from '../../texts/words.ts';
import { erasureAddress } from '../acts/erasures.ts';
import { accountNames } from '../acts/filter-body.ts';
import { redriveAddress } from '../acts/redrives.ts';
import { midnight } from '../media/filters.ts';
import { MEDIA } from '../media/texts.ts';
import { accountAddress } from './account-section.ts';
import { OPERATIONS } from './texts.ts';
import type { AuditEntry } from './types.ts';
import { verificationAddress } from './verifications.ts';

const PATH = '/audit-log';
const SHOWN = 50;
const VALUE_LIMIT = 128;
const TIME = /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const FIELDS = ['actor', 'action', 'target', 'from', 'to'] as const;
type Filters = Readonly<Record<(typeof FIELDS)[number], string>>;

const filtersOf = (query: URLSearchParams): Filters =>
  Object.fromEntries(
    FIELDS.map((name) => [name, (query.get(name) ?? '').trim().slice(0, VALUE_LIMIT)]),
  ) as Filters;

/** Where a target leads; undefined for what has no page. */
function pageOfTarget(
  target: string,
  action: string,
  names: ReadonlyMap<string, string>,
): string | undefined {
  if (/^r_[0-9a-f]{32}$/.test(target)) return redriveAddress(target);
  if (/^e_[0-9a-f]{32}$/.test(target)) return erasureAddress(target);
  if (/^v_[0-9a-f]{24}$/.test(target)) return verificationAddress(target);
  if (names.has(target)) return accountAddress(target);
  if (target === 'alerts' || (target === 'store' && action !== 'hold')) return '/alerts';
  return /^m_/.test(target) ? pageOf({ id: target }) : undefined;
}

/** The details of an entry as names and values. They are ours, but a value may be a text that a person typed. */
function detailOf({ detail = {} }: AuditEntry, locale: Locale): Child {
  return Object.entries(detail).map(([name, value]) => {
    const isTime = typeof value === 'string' && TIME.test(value);
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return html`<span class="hint">${name}</span> ${isTime ? time(locale, value, false) : outside(text)} `;
  });
}

function filterForm(filters: Filters, locale: Locale): Html {
  const [t, words, media] = [locale.of(OPERATIONS), locale.of(WORDS), locale.of(MEDIA)];
  const { actions } = t;
  return html`<form method="get" action="${PATH}" class="panel filter-form" aria-label="${t.filters}">
${textField('actor', t.actor, { value: filters.actor, attributes: { placeholder: t.actorHint, maxlength: VALUE_LIMIT } })}
${selectField('action', t.action, [['', words.any], ...Object.entries(actions)], { value: filters.action })}
${textField('target', t.target, { value: filters.target, attributes: { placeholder: t.targetHint, maxlength: VALUE_LIMIT } })}
${textField('from', media.from, { value: filters.from, attributes: { type: 'date' } })}
${textField('to', media.to, { value: filters.to, attributes: { type: 'date' } })}
<p class="field choices"><button type="submit" class="primary">${media.apply}</button> <a class="button" href="${PATH}">${media.clear}</a></p>
</form>`;
}

export async function auditLogPage(page: PageContext): Promise<PageContent> {
  const { api, locale, query } = page;
  const [t, words] = [locale.of(OPERATIONS), locale.of(WORDS)];
  const filters = filtersOf(query);
  const before = query.get('before') ?? undefined;
  const { from, to, ...exact } = filters;
  const [{ items, nextBefore }, names] = await Promise.all([
    api.get<{ items: readonly AuditEntry[]; nextBefore: number | null }>('/v1/audit-log', {
      ...exact,
      // A value that is no day goes to the API as it is, which says so.
      from: DAY.test(from) ? midnight(from, locale) : from,
      // The day `to` is included, so the end is the next midnight.
      to: DAY.test(to) ? midnight(to, locale, 1) : to,
      before,
      limit: SHOWN,
    }),
    accountNames(page),
  ]);
  const rows = items.map((entry) => {
    const address = pageOfTarget(entry.target, entry.action, names);
    const target = outside(names.get(entry.target) ?? entry.target);
    return [
      time(locale, entry.at),
      link(addressOf(PATH, { actor: entry.actor }), outside(entry.actor)),
      t.actions[entry.action] ?? html`<code>${outside(entry.action)}</code>`,
      address === undefined ? target : link(address, target),
      entry.reason === undefined ? undefined : outside(entry.reason),
      detailOf(entry, locale),
    ];
  });
  const pages =
    (before !== undefined || nextBefore !== null) &&
    html`<nav class="pager" aria-label="${words.pages}">${before !== undefined && link(addressOf(PATH, filters), t.newestEntries, 'button')} ${nextBefore !== null && html`<a class="button" rel="next" href="${addressOf(PATH, { ...filters, before: nextBefore })}">${t.olderEntries}</a>`}</nav>`;
  return {
    title: t.auditLog,
    section: PATH,
    main: html`<p>${t.auditLogWhat}</p>
${filterForm(filters, locale)}
${panel(
  'entries',
  t.entries,
  html`${items.length === 0 ? empty(t.noEntries) : table(t.auditLog, [t.at, t.actor, t.action, t.target, words.reason, t.detail], rows)}${pages}`,
)}`,
  };
}
