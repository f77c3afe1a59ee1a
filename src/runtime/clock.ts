/** Time as a dependency: only this file reads the machine's clock for a decision of policy. */
import { setTimeout as wait } from 'node:timers/promises';

export interface Clock {
  now(): Date;
  /** False while the time is in doubt: then nothing may be closed or erased because of its age. Absent: certain. */
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

/** How long a media item lives at WeChat, in this process. All in real milliseconds, already scaled. */
export interface Lifetimes {
  /** sentAt → expiresAt; WeChat's three days. */
  readonly lifetimeMs: number;
  /** expiresAt → closesAt: the exact second of expiry is not documented, so one more attempt is made after it. */
  readonly closingMs: number;
  /** Converts a policy duration (a backoff, a hold) to real milliseconds. Not for socket timeouts. */
  scale(ms: number): number;
}

/** `timeScale` 720 makes six minutes of three days; 1 is real time. */
export function createLifetimes(options: { mediaLifetimeMs: number; timeScale: number }): Lifetimes {
  const scale = (ms: number) => ms / options.timeScale;
  return { lifetimeMs: scale(options.mediaLifetimeMs), closingMs: scale(2 * HOUR_MS), scale };
}
