/** Which dead letters a redrive is about, as SQL over the indexes of closed rows. */
import type { FailureClass } from '../../failures.ts';
import type { Kind } from '../../media.ts';

export type Redrivable = 'dead' | 'expired';

/** What a redrive is about; plain JSON, for it is kept with it. Times are RFC 3339; absent: whatever it is. */
export interface RedriveFilter {
  readonly status: readonly Redrivable[];
  readonly account?: readonly string[] | undefined;
  readonly errcode?: readonly number[] | undefined;
  readonly code?: readonly string[] | undefined;
  readonly class?: readonly FailureClass[] | undefined;
  readonly kind?: readonly Kind[] | undefined;
  readonly sentFrom?: string | undefined;
  readonly sentTo?: string | undefined;
  /** When it became dead or expired. */
  readonly failedFrom?: string | undefined;
  readonly failedTo?: string | undefined;
  /** Fields of the request whose values are not kept, because they lead to a person: the row has the items instead. */
  readonly notKept?: readonly string[] | undefined;
}

/** A walk along media_closed (status, sent_at, id), whose order never changes under it. */
export interface RedrivePhase {
  readonly status: Redrivable;
  /** Of dead items only: those whose file WeChat still had when the redrive was created, or the others. */
  readonly isAvailable?: boolean;
}

const LEGS: readonly RedrivePhase[] = [
  { status: 'dead', isAvailable: true },
  { status: 'dead', isAvailable: false },
  { status: 'expired' },
];

/** The phases in order: items that can still be downloaded come first. */
export const phasesOf = (filter: RedriveFilter): readonly RedrivePhase[] =>
  LEGS.filter(({ status }) => filter.status.includes(status));

/** When a row became dead or expired. */
export const CLOSED_AT = 'coalesce(m.closed_at, m.updated_at)';

/** Conditions on media `m`; every value is a parameter. Items that died after `createdAt` are excluded. */
export function conditionsOf(
  filter: RedriveFilter,
  createdAt: Date,
  bind: (value: unknown) => string,
): string[] {
  const conditions = [`m.failure_code <> 'not_downloadable'`, `${CLOSED_AT} <= ${bind(createdAt)}`];
  const any = (column: string, values: readonly unknown[] | undefined, type = 'text') => {
    // One value is compared with =, so that an index gives the rows in order.
    if (values?.length === 1) conditions.push(`${column} = ${bind(values[0])}`);
    else if (values) conditions.push(`${column} = ANY(${bind([...values])}::${type}[])`);
  };
  any('m.account', filter.account);
  any('m.errcode', filter.errcode, 'integer');
  any('m.failure_code', filter.code);
  any(`m.failure ->> 'class'`, filter.class);
  any('m.kind', filter.kind);
  const edge = (expression: string, value: string | undefined) => {
    if (value !== undefined) conditions.push(`${expression} ${bind(value)}::timestamptz`);
  };
  edge('m.sent_at >=', filter.sentFrom);
  edge('m.sent_at <', filter.sentTo);
  edge(`${CLOSED_AT} >=`, filter.failedFrom);
  edge(`${CLOSED_AT} <`, filter.failedTo);
  return conditions;
}

/** Literals, not parameters, so that the planner sees that the index media_closed holds all of them. */
export const statusIs = (statuses: readonly Redrivable[]): string =>
  `m.status IN (${[...new Set(statuses)].map((status) => `'${status}'`).join(', ')})`;
