/**
 * A named lease, for work that only one process at a time may do. The lease is a row with an expiry time, not a
 * database lock.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from './clock.ts';

/** Stores the leases; implemented by `leases` of the catalogue. */
export interface LeaseStore {
  /** Takes the lease, or renews it if the holder already has it. Resolves with false while another holder has it. */
  take(name: string, holder: string, now: Date, until: Date): Promise<boolean>;
  /** Drops the lease, if this holder has it. */
  drop(name: string, holder: string): Promise<void>;
}

export interface Lease {
  /** Takes or renews the lease. Resolves with false while another process has it. */
  take(): Promise<boolean>;
  /** Drops the lease, if this process has taken it. */
  drop(): Promise<void>;
  /**
   * Runs `work`, and meanwhile renews the lease three times per duration. The signal of `work` aborts when `signal`
   * aborts, when another process has the lease, or when it cannot be renewed.
   */
  whileHeld<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
}

export function createLease(
  deps: { leases: LeaseStore; clock: Pick<Clock, 'now'> },
  { name, durationMs }: { name: string; durationMs: number },
): Lease {
  const holder = randomUUID();
  let isHeld = false;

  async function take(): Promise<boolean> {
    const now = deps.clock.now();
    isHeld = await deps.leases.take(name, holder, now, new Date(now.getTime() + durationMs));
    return isHeld;
  }

  return {
    take,
    drop: async () => {
      if (isHeld) await deps.leases.drop(name, holder);
      isHeld = false;
    },
    whileHeld: async (work, signal) => {
      const lost = new AbortController();
      const timer = setInterval(() => {
        take().then(
          (isOurs) => isOurs || lost.abort(new Error(`the lease ${name} was taken by another process`)),
          (error) => lost.abort(error),
        );
      }, durationMs / 3);
      try {
        return await work(AbortSignal.any([signal, lost.signal]));
      } finally {
        clearInterval(timer);
      }
    },
  };
}
