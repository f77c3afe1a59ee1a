/** How media ended, or did not: stuck, tried for nothing, or expired while everything they needed was there. */

import { acceptedOf, unservedOf } from './accepted.ts';
import { digestKey, type Evidence } from './evidence.ts';
import type { Findings } from './findings.ts';
import { USABLE_SHARE, usableMs } from './usable.ts';

/** Errcodes by which a whole account has to wait: quota, minute, addresses, permission, secret. */
const HOLD_ERRCODES = new Set([45009, 45011, 40164, 60020, 48001, 40125, 40243]);
/** An attempt at the last moment of a refusal, and the probe after it, are allowed. */
const EDGE_MS = 3_000;
/** BullMQ's states of a job that is not finished, by the end of the keys of its lists. */
const WAITING_LISTS = [':wait', ':active', ':delayed', ':prioritized', ':paused'];

interface Attempt {
  readonly media: string;
  readonly ended_at: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly errcode: number | null;
}

function stuck(evidence: Evidence): string[] {
  if (evidence.run.way === 'product') {
    return evidence.rows
      .filter(({ status }) => status === 'pending')
      .map(({ id, waiting, expiresAt }) => `${id}: pending (${waiting?.reason}), expires ${expiresAt}`);
  }
  return evidence.redis.flatMap(({ key, value }) => {
    if (!WAITING_LISTS.some((end) => key.endsWith(end)) || !Array.isArray(value)) return [];
    return value
      .filter((_, index) => !key.endsWith(':delayed') || index % 2 === 0)
      .map((id) => `${key}: job ${id}`);
  });
}

function attemptsInHolds(evidence: Evidence): string[] {
  const attempts = evidence.database
    .filter(({ table }) => table === 'attempt')
    .map(({ row }) => row as unknown as Attempt);
  const refusals = evidence.windows.filter(({ what, name }) => what === 'store' && name === 'refused');
  const inRefusal = (at: number) => refusals.some(({ from, to }) => at > from && at < to - EDGE_MS);
  const spent = attempts.filter(({ outcome }) => outcome !== 'waited');
  const counts = new Map<string, number>();
  for (const { media } of spent) counts.set(media, (counts.get(media) ?? 0) + 1);
  return [
    ...spent
      .filter(
        ({ errcode, code, ended_at }) =>
          HOLD_ERRCODES.has(errcode ?? 0) || (code === 'store_refused' && inRefusal(Date.parse(ended_at))),
      )
      .map(({ media, errcode, code, outcome }) => `${media}: ${code} ${errcode ?? ''} counted as ${outcome}`),
    ...evidence.rows
      .filter(({ id, attempts }) => attempts > (counts.get(id) ?? 0))
      .map(({ id, attempts }) => `${id}: ${attempts} attempts, ${counts.get(id) ?? 0} of them in the log`),
  ];
}

function expiredThoughUsable(evidence: Evidence): string[] {
  const accepted = acceptedOf(evidence);
  const unserved = unservedOf(evidence);
  const leastMs = evidence.run.lifeMs * USABLE_SHARE;
  return evidence.rows.flatMap((row) => {
    const key = digestKey(row.account, row.mediaId ?? '');
    const known = accepted.get(key);
    if (row.status !== 'expired' || !known || unserved.has(key)) return [];
    const ms = usableMs(known, evidence.run.lifeMs, evidence.windows);
    return ms < leastMs ? [] : [`${row.id}: expired, though usable for ${Math.round(ms / 1000)} s`];
  });
}

export function checkOutcomes(evidence: Evidence): Findings {
  return {
    'rows stuck': stuck(evidence),
    ...(evidence.run.way === 'product' && {
      'attempts spent in holds': attemptsInHolds(evidence),
      'expired though usable': expiredThoughUsable(evidence),
    }),
  };
}
