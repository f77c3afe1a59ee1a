/** What redrive, erase and export act on: the filters of the media page, from the address of the page. */
import { momentOf } from '../../../../config/values/moment.ts';
import { type Fact, facts, panel } from '../../components/elements.ts';
import { addressOf } from '../../core/address.ts';
import { type Html, html, outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { AccountSummary } from '../../core/media-json.ts';
import type { PageContext } from '../../core/page.ts';
import { SHELL } from '../../texts/shell.ts';
import { WORDS } from '../../texts/words.ts';
import { apiQueryOf, FILTER_FIELDS, type MediaView, viewOf } from '../media/filters.ts';
import { MEDIA } from '../media/texts.ts';
import { ACTS } from './texts.ts';

type FilterField = (typeof FILTER_FIELDS)[number];

export interface ChosenFilter {
  readonly view: MediaView;
  /** A failure without an errcode, as the page of dead letters names it. */
  readonly code: string;
  /** Ids of media items, which other pages may name. */
  readonly ids: readonly string[];
}

const VALUE_LIMIT = 300;
const ID_LIMIT = 1_000;

export function chosenFilterOf(query: URLSearchParams): ChosenFilter {
  const text = (name: string) => (query.get(name) ?? '').trim().slice(0, VALUE_LIMIT);
  return {
    // The list leaves out a value of these that is unknown. An action must be refused instead.
    view: {
      ...viewOf(query),
      kind: text('kind'),
      status: text('status'),
      from: text('from'),
      to: text('to'),
    },
    code: text('code'),
    ids: query.getAll('id').slice(0, ID_LIMIT),
  };
}

/** The address' parameters: only what says which items they are. */
export function filterQueryOf({ view, code, ids }: ChosenFilter): Record<string, string | readonly string[]> {
  const filters = Object.fromEntries(FILTER_FIELDS.map((field) => [field, view[field]]));
  return { ...filters, code, id: ids };
}

export const isEmptyFilter = ({ view, code, ids }: ChosenFilter): boolean =>
  FILTER_FIELDS.every((field) => view[field] === '') && code === '' && ids.length === 0;

/**
 * In a body a deadline is a time, not a duration: what is counted and what is acted on must not be durations from
 * two moments. What is no time is left to the API, which refuses it.
 */
const timeOf = (due: string, now: Date): string => momentOf(due, 'future', now)?.toISOString() ?? due;

/**
 * The filter as the bodies of POST /v1/redrives, /v1/erasures and /v1/exports take it. A value that the list leaves out
 * because it means nothing is sent as it is, and refused: an action must not concern more than its filters say.
 */
export function filterBodyOf(
  chosen: ChosenFilter,
  locale: Locale,
  now = new Date(),
): Record<string, unknown> {
  const { view, code, ids } = chosen;
  const query = apiQueryOf(view, locale);
  const labels = Object.entries(query)
    .filter(([name]) => name.startsWith('label.'))
    .map(([name, value]) => [name.slice('label.'.length), value]);
  // A record of all fields, so that a new filter of the list cannot be forgotten here.
  const byField: Record<FilterField, Readonly<Record<string, unknown>>> = {
    q: { q: view.q },
    account: { account: view.account },
    kind: { kind: view.kind },
    status: { status: view.status },
    errcode: { errcode: /^-?\d+$/.test(view.errcode) ? Number(view.errcode) : view.errcode },
    label: { label: labels.length > 0 ? Object.fromEntries(labels) : view.label },
    from: { sentFrom: query.sentFrom ?? view.from },
    to: { sentTo: query.sentTo ?? view.to },
    due: { expiresBefore: timeOf(view.due, now) },
    dueFrom: { expiresFrom: timeOf(view.dueFrom, now) },
    openId: { openId: view.openId },
    msgId: { msgId: view.msgId },
  };
  const filter: Record<string, unknown> = Object.assign({}, ...Object.values(byField), {
    code,
    id: ids.length > 0 ? ids : '',
  });
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''));
}

/** The names of the accounts that the key may see. */
export async function accountNames({ api }: PageContext): Promise<ReadonlyMap<string, string>> {
  const { items } = await api.get<{ items: AccountSummary[] }>('/v1/accounts');
  return new Map(items.map(({ account, name }) => [account, name ?? account]));
}

/**
 * The filters in words, so that one sees before an action what it is about, with a link to the list. `everything`: the
 * sentence for an empty filter.
 */
export function filterPanel(
  chosen: ChosenFilter,
  locale: Locale,
  names: ReadonlyMap<string, string>,
  everything = '',
): Html {
  const t = locale.of(ACTS);
  return panel(
    'filter',
    t.filter,
    isEmptyFilter(chosen) ? html`<p>${everything}</p>` : filterFacts(chosen, locale, names),
    { aside: html`<a href="${addressOf('/media', filterQueryOf(chosen))}">${t.changeFilter}</a>` },
  );
}

function filterFacts(chosen: ChosenFilter, locale: Locale, names: ReadonlyMap<string, string>) {
  const [t, words] = [locale.of(MEDIA), locale.of(WORDS)];
  const { view, code, ids } = chosen;
  const shown = (name: string, value: string): Fact | undefined =>
    value === '' ? undefined : { name, value: outside(value) };
  const kinds: Readonly<Record<string, string>> = words.kind;
  const statuses: Readonly<Record<string, string>> = words.status;
  const byField: Record<FilterField, Fact | undefined> = {
    q: shown(locale.of(SHELL).search, view.q),
    account: shown(words.account, names.get(view.account) ?? view.account),
    kind: shown(t.kind, kinds[view.kind] ?? ''),
    status: shown(t.status, statuses[view.status] ?? ''),
    errcode: shown(t.errcode, view.errcode),
    label: shown(t.label, view.label),
    from: shown(t.from, view.from),
    to: shown(t.to, view.to),
    due: shown(t.due, view.due),
    dueFrom: shown(locale.of(ACTS).dueFrom, view.dueFrom),
    openId: shown(t.openId, view.openId),
    msgId: shown(t.msgId, view.msgId),
  };
  return facts(locale, [
    ...Object.values(byField),
    shown(locale.of(ACTS).cause, code),
    shown(t.item, ids.join(' ')),
  ]);
}
