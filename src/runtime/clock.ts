/** Time as a dependency. Only this file reads the machine's clock for policy decisions. */
import { setTimeout as wait } from 'node:timers/promises';

export interface Clock {
  now(): Date;
  /**
   * False while the time may be wrong. Then no item may be closed or erased because of its age. Absent: the time is
   * certain.
   */
  readonly isCertain?: boolean;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: async (ms, signal) => {
    try {
      await wait(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};

const HOUR_MS = 3_600_000;

/** The lifetimes of media items at WeChat, as used in this process. All are in real milliseconds, already scaled. */
export interface Lifetimes {
  /** From sentAt to expiresAt: the three days of WeChat. */
  readonly lifetimeMs: number;
  /** From expiresAt to closesAt. The exact second of expiry is not documented, so one more attempt is made after it. */
  readonly closingMs: number;
  /** Converts a policy duration (a backoff, a hold) to real milliseconds. Not for socket timeouts. */
  scale(ms: number): number;
}

/** Creates the lifetimes. With a `timeScale` of 720 three days take six minutes; 1 is real time. */
export function createLifetimes(options: { mediaLifetimeMs: number; timeScale: number }): Lifetimes {
  const scale = (ms: number) => ms / options.timeScale;
  return { lifetimeMs: scale(options.mediaLifetimeMs), closingMs: scale(2 * HOUR_MS), scale };
}

// Which pending items are at risk: the same rule for statistics, checks and events.

/** With less than this part of the lifetime left: six hours of three days. */
export const AT_RISK_SHARE = 12;
/** An item that arrives late is near its deadline from the start, and is usually archived within seconds. */
export const KNOWN_MS = 5 * 60_000;
