/** Adds up the checks of all items and the counts of the day. */
import type { ItemCheck } from './check.ts';

export interface Summary {
  /** Distinct references: archived + dead + expired. */
  readonly received: number;
  readonly archived: number;
  readonly dead: number;
  readonly expired: number;
  /** Repeats that created no row. */
  readonly duplicates: number;
  readonly bytes: number;
  /** Items whose stored bytes have the digest of WeChat's file. */
  readonly verified: number;
  /** `id` is empty for a failure of the day as a whole. */
  readonly failures: readonly { readonly id: string; readonly what: string }[];
}

export interface DayCounts {
  /** References in callbacks that got `success`, repeats included. */
  readonly accepted: number;
  /** Rows that the service reports as created. */
  readonly created: number;
  /** The repeats among `accepted`. */
  readonly repeats: number;
  /** Rows created today without a message of the script. */
  readonly unexpectedRows: number;
  /** Requests that the simulator refused because of an invalidated token. */
  readonly tokensRefused: number;
  /** The day continues an interrupted run, so rows and refusals of its process are missing in the counts. */
  readonly resumed: boolean;
}

export function summaryOf(checks: readonly ItemCheck[], counted: DayCounts): Summary {
  const withStatus = (status: string) => checks.filter(({ row }) => row?.status === status);
  const failures = checks.flatMap(({ id, description, problems }) =>
    problems.map((problem) => ({ id, what: `${description}: ${problem}` })),
  );
  const require = (holds: boolean, what: string) => {
    if (!holds) failures.push({ id: '', what });
  };
  const duplicates = counted.accepted - counted.created;
  const keys = withStatus('archived').map(({ row }) => row?.objectKey);
  require(new Set(keys).size === keys.length, 'two media items share one object');
  require(counted.unexpectedRows === 0, `${counted.unexpectedRows} rows without a message of the script`);
  require(counted.accepted === checks.length + counted.repeats, 'not every callback got success');
  if (counted.resumed) {
    require(duplicates >= counted.repeats, 'a repeated callback created a row of its own');
  } else {
    require(duplicates ===
      counted.repeats, `${duplicates} repeats created no row, should be ${counted.repeats}`);
    require(counted.tokensRefused > 0, 'no request met the invalidated token');
  }
  const byStatus = {
    archived: withStatus('archived').length,
    dead: withStatus('dead').length,
    expired: withStatus('expired').length,
  };
  return {
    received: byStatus.archived + byStatus.dead + byStatus.expired,
    ...byStatus,
    duplicates,
    bytes: withStatus('archived').reduce((sum, { row }) => sum + (row?.sizeBytes ?? 0), 0),
    verified: checks.filter(({ verified }) => verified).length,
    failures,
  };
}
