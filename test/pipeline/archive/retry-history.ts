/** The time of a media item as a random history of outages, played through the policy: its attempts and its end. */
import type { Failure } from '../../../src/failures.ts';
import { decideNextAttempt } from '../../../src/pipeline/archive/retry-policy.ts';
import { decideProbeMs } from '../../../src/pipeline/dispatch/store-hold.ts';

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const LIFE_MS = 72 * HOUR_MS;
export const CLOSING_MS = 2 * HOUR_MS;

/** How an attempt fails during an outage. `store` rejects every object; `object` rejects this one only. */
export const OUTAGE_KINDS = [
  'network',
  'busy',
  'token',
  'minute',
  'day',
  'account',
  'store',
  'object',
] as const;
export type OutageKind = (typeof OUTAGE_KINDS)[number];

export interface Outage {
  readonly fromMs: number;
  readonly toMs: number;
  readonly kind: OutageKind;
  /** WeChat's Retry-After while it is busy. */
  readonly retryAfterMs: number;
}

export interface Played {
  readonly end: 'archived' | 'expired' | 'closed' | 'dead';
  /** Attempts that were counted. */
  readonly attemptsAtMs: readonly number[];
  readonly endedAtMs: number;
}

const FAILURE_OF: Record<Exclude<OutageKind, 'store'>, Failure> = {
  network: { code: 'network', class: 'transient' },
  busy: { code: 'http_status', class: 'transient' },
  token: { code: 'token_expired', class: 'token', errcode: 42001 },
  minute: { code: 'minute_limit', class: 'minute_limit', errcode: 45009 },
  day: { code: 'day_quota', class: 'day_quota', errcode: 45009 },
  account: { code: 'ip_not_allowed', class: 'account', errcode: 40164 },
  object: { code: 'store_refused', class: 'store' },
};

/** Of an attempt that fails: FETCH_IDLE_TIMEOUT bounds how long a silent connection is waited for. */
const MAX_ATTEMPT_MS = 30 * SECOND_MS;

/** When the hold that this attempt began ends: at the first probe after the outage. */
function releasedAtMs(nowMs: number, { toMs }: Outage): number {
  for (let at = nowMs, probes = 0; ; probes++) {
    at += decideProbeMs({ code: 'store_refused' }, probes);
    if (at >= toMs) return at;
  }
}

/**
 * Plays one media item, sent at `sentAtMs`, through its outages. WeChat serves it until it expires and no longer.
 * Between a decision and its attempt pass up to two seconds of promotion and dispatch.
 */
export function play(sentAtMs: number, outages: readonly Outage[], random: () => number): Played {
  const expiresAt = new Date(sentAtMs + LIFE_MS);
  const closesAt = new Date(expiresAt.getTime() + CLOSING_MS);
  const attemptsAtMs: number[] = [];
  let nowMs = sentAtMs;
  const after = (end: Played['end']): Played => ({ end, attemptsAtMs, endedAtMs: nowMs });
  for (;;) {
    if (nowMs > closesAt.getTime()) return after('closed');
    const outage = outages.find(({ fromMs, toMs }) => fromMs <= nowMs && nowMs < toMs);
    if (outage?.kind === 'store') {
      nowMs = releasedAtMs(nowMs, outage) + random() * 2 * SECOND_MS;
      continue;
    }
    if (!outage && nowMs < expiresAt.getTime()) {
      attemptsAtMs.push(nowMs);
      return after('archived');
    }
    const failure = outage
      ? FAILURE_OF[outage.kind]
      : ({ code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const);
    const startedAt = new Date(nowMs);
    const lastedMs = random() * MAX_ATTEMPT_MS;
    const decision = decideNextAttempt({
      failure,
      attempts: attemptsAtMs.length + 1,
      startedAt,
      now: new Date(nowMs + lastedMs),
      expiresAt,
      closesAt,
      retryAfterMs:
        outage?.kind === 'busy' ? outage.retryAfterMs : outage?.kind === 'token' ? 5 * SECOND_MS : undefined,
      random: random(),
      scale: (ms) => ms,
    });
    if (decision.next !== 'holdAccount') attemptsAtMs.push(nowMs);
    if (decision.next === 'dead' || decision.next === 'expired') return after(decision.next);
    nowMs = decision.at.getTime() + random() * 2 * SECOND_MS;
  }
}

/** Beijing midnight, when a day's quota ends. */
const midnightAfterMs = (ms: number) =>
  Math.ceil((ms + 8 * HOUR_MS) / (24 * HOUR_MS)) * 24 * HOUR_MS - 8 * HOUR_MS;

/** Up to twelve outages, of seconds to a day and a half each, none of them after `clearFromMs`. */
export function randomOutages(sentAtMs: number, clearFromMs: number, random: () => number): Outage[] {
  const outages: Outage[] = [];
  // Most begin before the item is sent: otherwise it would be archived at once.
  let atMs = sentAtMs - (random() < 0.9 ? SECOND_MS : -random() * HOUR_MS);
  for (let count = Math.ceil(random() * 12); count > 0 && atMs < clearFromMs; count--) {
    const lengthMs = SECOND_MS * (36 * 3_600) ** random();
    const kind = OUTAGE_KINDS[Math.floor(random() * OUTAGE_KINDS.length)]!;
    const toMs = kind === 'day' ? midnightAfterMs(atMs) : atMs + lengthMs;
    // A quota that ends after the clear time is not "usable in the last tenth".
    if (toMs <= clearFromMs || kind !== 'day') {
      const retryAfterMs = random() < 0.5 ? 0 : random() * HOUR_MS;
      outages.push({ fromMs: atMs, toMs: Math.min(toMs, clearFromMs), kind, retryAfterMs });
    }
    atMs = toMs + (random() < 0.5 ? 0 : SECOND_MS * (6 * 3_600) ** random());
  }
  return outages;
}
