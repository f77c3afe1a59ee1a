/** Time as a dependency: nothing outside this file asks the machine what time it is to decide a policy. */
import { setTimeout as wait } from 'node:timers/promises';

export interface Clock {
  now(): Date;
  /** False: what time it is, is in doubt, and nothing may be closed or erased for its age. Absent: it is certain. */
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

/** The life of a media at WeChat, as this process plays it. All in real milliseconds, already scaled. */
export interface Lifetimes {
  /** sentAt → expiresAt; WeChat's three days. */
  readonly lifetimeMs: number;
  /** expiresAt → closesAt: the exact second of expiry is not documented, so one try more is made after it. */
  readonly closingMs: number;
  /** A policy duration (a backoff, a hold) in real milliseconds. Never for socket timeouts. */
  scale(ms: number): number;
}

/** `timeScale` 720 plays three days in six minutes; 1 is real life. */
export function createLifetimes(options: { mediaLifetimeMs: number; timeScale: number }): Lifetimes {
  const scale = (ms: number) => ms / options.timeScale;
  return { lifetimeMs: scale(options.mediaLifetimeMs), closingMs: scale(2 * HOUR_MS), scale };
}
