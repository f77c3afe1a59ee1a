/** A media's life as a random history of troubles, played through the policy: when it is tried, and what becomes of it. */
import type { Failure } from '../../../src/failures.ts';
import { decideNextAttempt } from '../../../src/pipeline/archive/retry-policy.ts';
import { decideProbeMs } from '../../../src/pipeline/dispatch/store-hold.ts';

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const LIFE_MS = 72 * HOUR_MS;
export const CLOSING_MS = 2 * HOUR_MS;

/** What a try meets while it lasts. `store` takes nothing at all; `object` refuses this one only. */
export const TROUBLES = ['network', 'busy', 'token', 'minute', 'day', 'account', 'store', 'object'] as const;
export type Trouble = (typeof TROUBLES)[number];

export interface Outage {
  readonly fromMs: number;
  readonly toMs: number;
  readonly trouble: Trouble;
  /** What WeChat asks for while it is busy. */
  readonly retryAfterMs: number;
}

export interface Played {
  readonly end: 'archived' | 'expired' | 'closed' | 'dead';
  /** Tries that were spent. */
  readonly triedAtMs: readonly number[];
  readonly endedAtMs: number;
}

const FAILURE_OF: Record<Exclude<Trouble, 'store'>, Failure> = {
  network: { code: 'network', class: 'transient' },
  busy: { code: 'http_status', class: 'transient' },
  token: { code: 'token_expired', class: 'token', errcode: 42001 },
  minute: { code: 'minute_limit', class: 'minute_limit', errcode: 45009 },
  day: { code: 'day_quota', class: 'day_quota', errcode: 45009 },
  account: { code: 'ip_not_allowed', class: 'account', errcode: 40164 },
  object: { code: 'store_refused', class: 'store' },
};

/** Of one that fails: a silence is waited for as long as FETCH_IDLE_TIMEOUT allows. */
const LONGEST_TRY_MS = 30 * SECOND_MS;

/** When the hold that this try began ends: at the first probe after the outage. */
function releasedAtMs(nowMs: number, { toMs }: Outage): number {
  for (let at = nowMs, probes = 0; ; probes++) {
    at += decideProbeMs({ code: 'store_refused' }, probes);
    if (at >= toMs) return at;
  }
}

/**
 * Plays one media, sent at `sentAtMs`, through its outages. WeChat serves it until it expires and not a moment longer.
 * Between a decision and its try pass up to two seconds of promotion and feeding.
 */
export function play(sentAtMs: number, outages: readonly Outage[], random: () => number): Played {
  const expiresAt = new Date(sentAtMs + LIFE_MS);
  const closesAt = new Date(expiresAt.getTime() + CLOSING_MS);
  const triedAtMs: number[] = [];
  let nowMs = sentAtMs;
  const after = (end: Played['end']): Played => ({ end, triedAtMs, endedAtMs: nowMs });
  for (;;) {
    if (nowMs > closesAt.getTime()) return after('closed');
    const outage = outages.find(({ fromMs, toMs }) => fromMs <= nowMs && nowMs < toMs);
    if (outage?.trouble === 'store') {
      nowMs = releasedAtMs(nowMs, outage) + random() * 2 * SECOND_MS;
      continue;
    }
    if (!outage && nowMs < expiresAt.getTime()) {
      triedAtMs.push(nowMs);
      return after('archived');
    }
    const failure = outage
      ? FAILURE_OF[outage.trouble]
      : ({ code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const);
    const startedAt = new Date(nowMs);
    const lastedMs = random() * LONGEST_TRY_MS;
    const decision = decideNextAttempt({
      failure,
      attempts: triedAtMs.length + 1,
      startedAt,
      now: new Date(nowMs + lastedMs),
      expiresAt,
      closesAt,
      retryAfterMs:
        outage?.trouble === 'busy'
          ? outage.retryAfterMs
          : outage?.trouble === 'token'
            ? 5 * SECOND_MS
            : undefined,
      random: random(),
      scale: (ms) => ms,
    });
    if (decision.spent) triedAtMs.push(nowMs);
    if (decision.next === 'dead' || decision.next === 'expired') return after(decision.next);
    nowMs = decision.at.getTime() + random() * 2 * SECOND_MS;
  }
}

/** Beijing midnight, where a day's quota ends. */
const midnightAfterMs = (ms: number) =>
  Math.ceil((ms + 8 * HOUR_MS) / (24 * HOUR_MS)) * 24 * HOUR_MS - 8 * HOUR_MS;

/** Up to twelve outages, of seconds to a day and a half each, that leave `clearFromMs` on untroubled. */
export function randomOutages(sentAtMs: number, clearFromMs: number, random: () => number): Outage[] {
  const outages: Outage[] = [];
  // Most begin before the media came: it would be archived at once else.
  let atMs = sentAtMs - (random() < 0.9 ? SECOND_MS : -random() * HOUR_MS);
  for (let count = Math.ceil(random() * 12); count > 0 && atMs < clearFromMs; count--) {
    const lengthMs = SECOND_MS * (36 * 3_600) ** random();
    const trouble = TROUBLES[Math.floor(random() * TROUBLES.length)]!;
    const toMs = trouble === 'day' ? midnightAfterMs(atMs) : atMs + lengthMs;
    // A quota that ends after the clear time is not "usable in the last tenth".
    if (toMs <= clearFromMs || trouble !== 'day') {
      const retryAfterMs = random() < 0.5 ? 0 : random() * HOUR_MS;
      outages.push({ fromMs: atMs, toMs: Math.min(toMs, clearFromMs), trouble, retryAfterMs });
    }
    atMs = toMs + (random() < 0.5 ? 0 : SECOND_MS * (6 * 3_600) ** random());
  }
  return outages;
}
