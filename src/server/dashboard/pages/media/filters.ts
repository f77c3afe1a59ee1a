/** The filters of the media page: they stand in its address, and become the query of GET /v1/media. */
import { KINDS, STATUSES } from '../../../../media.ts';
import type { Query } from '../../core/address.ts';
import { type Locale, offsetOf } from '../../core/locale.ts';

export interface MediaView {
  readonly q: string;
  readonly account: string;
  readonly kind: string;
  readonly status: string;
  readonly errcode: string;
  /** `name=value`. */
  readonly label: string;
  /** Calendar days in the page's time zone, both included. */
  readonly from: string;
  readonly to: string;
  /** Pending items whose deadline is in less than this duration (`6h`). */
  readonly due: string;
  /** And not in less than this one. */
  readonly dueFrom: string;
  readonly openId: string;
  readonly msgId: string;
  readonly view: 'gallery' | 'list';
  readonly cursor: string;
}

/** The fields that say which items are shown, without how. Exported for the pages that act on them. */
export const FILTER_FIELDS = [
  'q',
  'account',
  'kind',
  'status',
  'errcode',
  'label',
  'from',
  'to',
  'due',
  'dueFrom',
  'openId',
  'msgId',
] as const satisfies readonly (keyof MediaView)[];

const VALUE_LIMIT = 300;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Reads the address. Unknown kinds and statuses count as none; all other values are checked by the API. */
export function viewOf(query: URLSearchParams): MediaView {
  const value = (name: string) => (query.get(name) ?? '').trim().slice(0, VALUE_LIMIT);
  const oneOf = (name: string, known: readonly string[]) => (known.includes(value(name)) ? value(name) : '');
  const day = (name: string) => (DAY.test(value(name)) ? value(name) : '');
  return {
    q: value('q'),
    account: value('account'),
    kind: oneOf('kind', KINDS),
    status: oneOf('status', STATUSES),
    errcode: value('errcode'),
    label: value('label'),
    from: day('from'),
    to: day('to'),
    due: value('due'),
    dueFrom: value('dueFrom'),
    openId: value('openId'),
    msgId: value('msgId'),
    view: value('view') === 'list' ? 'list' : 'gallery',
    cursor: (query.get('cursor') ?? '').slice(0, 600),
  };
}

/** The address' parameters of a view; the default view leaves no trace. */
export const parametersOf = (view: MediaView): Query => ({
  ...view,
  view: view.view === 'list' ? 'list' : undefined,
});

export const isFiltered = (view: MediaView): boolean => FILTER_FIELDS.some((name) => view[name] !== '');

/** The start of a day in the zone, as RFC 3339; undefined for a date that does not exist. */
export function midnight(day: string, locale: Locale, plusDays = 0): string | undefined {
  const noon = new Date(`${day}T12:00:00Z`);
  if (Number.isNaN(noon.getTime())) return undefined;
  noon.setUTCDate(noon.getUTCDate() + plusDays);
  const date = noon.toISOString().slice(0, 10);
  return `${date}T00:00:00${offsetOf(locale.timeZone, new Date(`${date}T00:00:00Z`))}`;
}

/** `name=value` as the API's parameter `label.name`. A name alone finds nothing, so it is no filter. */
function labelOf(text: string): Query {
  const equals = text.indexOf('=');
  return equals > 0 ? { [`label.${text.slice(0, equals).trim()}`]: text.slice(equals + 1).trim() } : {};
}

/** The query of GET /v1/media, without cursor and limit. */
export function apiQueryOf(view: MediaView, locale: Locale): Query {
  return {
    q: view.q,
    account: view.account,
    kind: view.kind,
    status: view.status,
    errcode: view.errcode,
    openId: view.openId,
    msgId: view.msgId,
    sentFrom: view.from === '' ? undefined : midnight(view.from, locale),
    // The day `to` is included, so the end is the next midnight.
    sentTo: view.to === '' ? undefined : midnight(view.to, locale, 1),
    expiresBefore: view.due,
    expiresFrom: view.dueFrom,
    ...labelOf(view.label),
  };
}
