/** The verdicts of all media and what was counted beside them, added up. */
import type { ItemCheck } from './check.ts';

export interface Summary {
  /** Distinct references: archived + dead + expired. */
  readonly received: number;
  readonly archived: number;
  readonly dead: number;
  readonly expired: number;
  /** Repeats that made no row. */
  readonly duplicates: number;
  readonly bytes: number;
  /** Read back with the digest WeChat's file has. */
  readonly verified: number;
  /** `id` is empty where the day as a whole is meant. */
  readonly failures: readonly { readonly id: string; readonly what: string }[];
}

export interface DayCounts {
  /** References that callbacks brought and were answered `success`, repeats included. */
  readonly accepted: number;
  /** Rows that the service says it made. */
  readonly created: number;
  /** How many of `accepted` were sent as repeats. */
  readonly repeats: number;
  /** Rows made today that nobody sent. */
  readonly unexpectedRows: number;
  /** Requests that the simulated WeChat refused because of an invalidated token. */
  readonly tokensRefused: number;
  /** The day was cut off before: some rows were made and some trouble was met by a process that is gone. */
  readonly resumed: boolean;
}

export function summaryOf(verdicts: readonly ItemCheck[], counted: DayCounts): Summary {
  const of = (status: string) => verdicts.filter(({ row }) => row?.status === status);
  const failures = verdicts.flatMap(({ id, description: says, problems: wrong }) =>
    wrong.map((what) => ({ id, what: `${says}: ${what}` })),
  );
  const day = (holds: boolean, what: string) => {
    if (!holds) failures.push({ id: '', what });
  };
  const duplicates = counted.accepted - counted.created;
  const keys = of('archived').map(({ row }) => row?.objectKey);
  day(new Set(keys).size === keys.length, 'two media share one object');
  day(counted.unexpectedRows === 0, `${counted.unexpectedRows} rows that nobody sent`);
  day(counted.accepted === verdicts.length + counted.repeats, 'not every callback was answered success');
  if (counted.resumed) {
    day(duplicates >= counted.repeats, 'a repeated callback made a row of its own');
  } else {
    day(duplicates === counted.repeats, `${duplicates} repeats made no row, should be ${counted.repeats}`);
    day(counted.tokensRefused > 0, 'no request met the invalidated token');
  }
  const settled = { archived: of('archived').length, dead: of('dead').length, expired: of('expired').length };
  return {
    received: settled.archived + settled.dead + settled.expired,
    ...settled,
    duplicates,
    bytes: of('archived').reduce((sum, { row }) => sum + (row?.sizeBytes ?? 0), 0),
    verified: verdicts.filter(({ verified }) => verified).length,
    failures,
  };
}
