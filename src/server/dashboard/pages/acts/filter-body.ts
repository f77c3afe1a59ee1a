/** What redrive, erase and export act on: the filters of the media page, from the address of the page. */
import { momentOf } from '../../../../config/values/moment.ts';
import { type Fact, facts } from '../../components/elements.ts';
import { outside } from '../../core/html.ts';
import type { Locale } from '../../core/locale.ts';
import type { PageContext } from '../../core/page.ts';
import { SHELL } from '../../texts/shell.ts';
import { WORDS } from '../../texts/words.ts';
import { apiQueryOf, FILTER_FIELDS, type MediaView, viewOf } from '../media/filters.ts';
import { MEDIA } from '../media/texts.ts';
import type { AccountSummary } from '../media/types.ts';

export interface ChosenFilter {
  readonly view: MediaView;
  /** A failure without an errcode, as the page of dead letters names it. */
  readonly code: string;
  /** Ids of media items, which other pages may name. */
  readonly ids: readonly string[];
}

const CODE_LIMIT = 64;
const ID_LIMIT = 1_000;

export function chosenFilterOf(query: URLSearchParams): ChosenFilter {
  return {
    view: viewOf(query),
    code: (query.get('code') ?? '').trim().slice(0, CODE_LIMIT),
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
 * In a body `expiresBefore` is a time, not a duration: what is counted and what is acted on must not be durations from
 * two moments. What is no time is left to the API, which refuses it.
 */
const expiresBefore = (due: string, now: Date): string => momentOf(due, 'future', now)?.toISOString() ?? due;

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
  const filter = {
    q: view.q,
    account: view.account,
    kind: view.kind,
    status: view.status,
    errcode: /^-?\d+$/.test(view.errcode) ? Number(view.errcode) : view.errcode,
    openId: view.openId,
    msgId: view.msgId,
    sentFrom: query.sentFrom ?? view.from,
    sentTo: query.sentTo ?? view.to,
    expiresBefore: expiresBefore(view.due, now),
    code,
    id: ids.length > 0 ? ids : '',
    label: labels.length > 0 ? Object.fromEntries(labels) : view.label,
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''));
}

/** The names of the accounts that the key may see. */
export async function accountNames({ api }: PageContext): Promise<ReadonlyMap<string, string>> {
  const { items } = await api.get<{ items: AccountSummary[] }>('/v1/accounts');
  return new Map(items.map(({ account, name }) => [account, name ?? account]));
}

/** The filters in words, so that one sees before an action what it is about. */
export function filterFacts(chosen: ChosenFilter, locale: Locale, names: ReadonlyMap<string, string>) {
  const [t, words] = [locale.of(MEDIA), locale.of(WORDS)];
  const { view, code, ids } = chosen;
  const shown = (name: string, value: string): Fact | undefined =>
    value === '' ? undefined : { name, value: outside(value) };
  const kinds: Readonly<Record<string, string>> = words.kind;
  const statuses: Readonly<Record<string, string>> = words.status;
  return facts(locale, [
    shown(locale.of(SHELL).search, view.q),
    shown(words.account, names.get(view.account) ?? view.account),
    shown(t.kind, kinds[view.kind] ?? ''),
    shown(t.status, statuses[view.status] ?? ''),
    shown(t.errcode, view.errcode || code),
    shown(t.label, view.label),
    shown(t.from, view.from),
    shown(t.to, view.to),
    shown(t.due, view.due),
    shown(t.openId, view.openId),
    shown(t.msgId, view.msgId),
    shown(t.item, ids.join(' ')),
  ]);
}
