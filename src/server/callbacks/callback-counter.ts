/** Counts callbacks in memory and writes the counts every few seconds, so that no response waits for the write. */
import type { CallbackCount, CallbackTimes } from '../../catalogue/accounts/callback-counts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import { createPollLoop, type PollLoopDeps } from '../../runtime/poll-loop.ts';

export interface CallbackCounter {
  /** Counts a message by its type, or a handshake. */
  countReceived(account: string, type: string): void;
  countRefused(account: string, code: string): void;
  /** Records the difference between our clock and the timestamp that WeChat signed. Positive: our clock is ahead. */
  recordClockSkew(account: string, seconds: number): void;
  /** Writes the last counts and ends. Counts that cannot be written at that time are lost. */
  close(): Promise<void>;
}

/**
 * The largest difference that a late delivery explains: WeChat abandons a callback after five seconds and sends it
 * again. A larger difference means that a clock is wrong.
 */
export const SKEW_SECONDS = 120;
const SKEW_LOG_EVERY_MS = 3_600_000;
const FLUSH_MS = 2_000;
/** The delay after a failed write; usually the database is down. */
const RETRY_MS = 15_000;
const RETENTION_DAYS = 31;

/** Message types come from outside. Every other type counts as `other`, which limits the number of counts. */
const KNOWN_TYPES: ReadonlySet<string> = new Set([
  'text',
  'image',
  'voice',
  'video',
  'shortvideo',
  'location',
  'link',
  'file',
  'miniprogrampage',
  'event',
  'component_verify_ticket',
  'info',
  'handshake',
]);

/** Returns the UTC day of a date: `2026-11-20`. */
export const dayOf = (date: Date): string => date.toISOString().slice(0, 10);
export const daysBefore = (date: Date, days: number): string =>
  dayOf(new Date(date.getTime() - days * 86_400_000));

export function createCallbackCounter(
  deps: PollLoopDeps & { catalogue: Pick<Catalogue, 'callbackCounts'>; clock: Pick<Clock, 'now'> },
  { flushMs = FLUSH_MS, retryMs = RETRY_MS } = {},
): CallbackCounter {
  // One entry for each account, type and day that is not yet written.
  let counts = new Map<string, CallbackCount>();
  let timesByAccount = new Map<string, CallbackTimes>();
  const skewLoggedAtMs = new Map<string, number>();

  function add(count: CallbackCount): void {
    const key = JSON.stringify([count.account, count.day, count.refused, count.what]);
    counts.set(key, { ...count, count: count.count + (counts.get(key)?.count ?? 0) });
  }

  function setTimes(account: string, change: Partial<CallbackTimes>): void {
    timesByAccount.set(account, { ...timesByAccount.get(account), ...change, account });
  }

  async function flush(): Promise<void> {
    const [writtenCounts, writtenTimes] = [counts, timesByAccount];
    [counts, timesByAccount] = [new Map(), new Map()];
    if (writtenCounts.size === 0 && writtenTimes.size === 0) return;
    try {
      const before = daysBefore(deps.clock.now(), RETENTION_DAYS);
      await deps.catalogue.callbackCounts.add(
        [...writtenCounts.values()],
        [...writtenTimes.values()],
        before,
      );
    } catch (error) {
      // If only the response of the database was lost, these callbacks are counted twice. The numbers are only
      // displayed.
      for (const count of writtenCounts.values()) add(count);
      for (const times of writtenTimes.values())
        setTimes(times.account, { ...times, ...timesByAccount.get(times.account) });
      throw error;
    }
  }

  const loop = createPollLoop({
    ...deps,
    name: 'callback-counter',
    everyMs: retryMs,
    work: async () => {
      await flush();
      return flushMs;
    },
  });
  const closing = new AbortController();
  const running = loop.run(closing.signal);

  return {
    countReceived: (account, type) => {
      const now = deps.clock.now();
      const what = KNOWN_TYPES.has(type) ? type : 'other';
      add({ account, day: dayOf(now), refused: false, what, count: 1 });
      setTimes(account, { lastCallbackAt: now });
    },
    countRefused: (account, code) => {
      add({ account, day: dayOf(deps.clock.now()), refused: true, what: code, count: 1 });
    },
    recordClockSkew: (account, seconds) => {
      const at = deps.clock.now();
      setTimes(account, { clockSkew: { seconds, at } });
      const loggedAtMs = skewLoggedAtMs.get(account) ?? Number.NEGATIVE_INFINITY;
      if (Math.abs(seconds) <= SKEW_SECONDS || at.getTime() - loggedAtMs < SKEW_LOG_EVERY_MS) return;
      skewLoggedAtMs.set(account, at.getTime());
      deps.log.warn(
        { account, skewSeconds: seconds },
        `callbacks: the clock of this server is ${Math.abs(seconds)} seconds ${seconds > 0 ? 'ahead of' : 'behind'} WeChat's, set it by NTP`,
      );
    },
    close: async () => {
      closing.abort();
      await running;
      await flush().catch(() => undefined);
    },
  };
}
