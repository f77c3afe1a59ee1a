/** A named lease: work that one process at a time may do. The lease is a row with an end, never a lock that is held. */
import { randomUUID } from 'node:crypto';
import type { Clock } from './clock.ts';

/** Where leases are kept; the catalogue's `leases`. */
export interface LeaseStore {
  /** Takes the lease or renews the holder's own; false while another holder has it. */
  take(name: string, holder: string, now: Date, until: Date): Promise<boolean>;
  /** Gives it back, where this holder has it. */
  drop(name: string, holder: string): Promise<void>;
}

export interface Lease {
  /** Takes or renews the lease. Resolves with false while another process has it. */
  take(): Promise<boolean>;
  /** Gives the lease back, if this process has taken it. */
  drop(): Promise<void>;
  /**
   * Runs `work` and renews the lease every third of its duration meanwhile. The signal given to `work` aborts when
   * `signal` does, when another process has the lease, or when it cannot be renewed.
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
