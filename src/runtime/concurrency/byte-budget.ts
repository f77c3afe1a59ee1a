/**
 * How many bytes of media items this process may hold at once. Each attempt reserves the worst case of its path before
 * its request, so memory depends on BYTE_BUDGET and not on how many large files arrive together.
 */

export interface Reservation {
  /** Bytes reserved now. */
  readonly bytes: number;
  /** Gives back what is not needed, once the headers show the length. Never grows. */
  shrink(toBytes: number): void;
  /** Gives everything back. A second call does nothing. */
  release(): void;
}

export interface ByteBudget {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Number of reservations that wait. */
  readonly waiting: number;
  /**
   * Waits for `bytes`, first in first out: a small reservation does not overtake a large one, which would then
   * starve. A reservation larger than the whole budget is cut to it and so runs alone: refused, such a file could
   * never be archived on a small machine. Rejects with the signal's reason when it aborts.
   */
  reserve(bytes: number, signal: AbortSignal): Promise<Reservation>;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

export function createByteBudget(totalBytes: number): ByteBudget {
  let freeBytes = totalBytes;
  const queue: Waiter[] = [];

  function serve(): void {
    for (let head = queue[0]; head && head.bytes <= freeBytes; head = queue[0]) {
      queue.shift();
      freeBytes -= head.bytes;
      head.grant();
    }
  }

  function hold(granted: number): Reservation {
    let bytes = granted;
    const shrink = (toBytes: number) => {
      const next = Math.max(0, Math.min(bytes, toBytes));
      freeBytes += bytes - next;
      bytes = next;
      serve();
    };
    return {
      get bytes() {
        return bytes;
      },
      shrink,
      release: () => shrink(0),
    };
  }

  return {
    totalBytes,
    get freeBytes() {
      return freeBytes;
    },
    get waiting() {
      return queue.length;
    },
    reserve: async (wanted, signal) => {
      signal.throwIfAborted();
      const bytes = Math.min(wanted, totalBytes);
      if (queue.length === 0 && bytes <= freeBytes) {
        freeBytes -= bytes;
        return hold(bytes);
      }
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = {
          bytes,
          grant: () => {
            signal.removeEventListener('abort', leave);
            resolve();
          },
        };
        // The one that leaves may have been a large one that blocked the others.
        const leave = () => {
          queue.splice(queue.indexOf(waiter), 1);
          reject(signal.reason);
          serve();
        };
        signal.addEventListener('abort', leave, { once: true });
        queue.push(waiter);
      });
      return hold(bytes);
    },
  };
}
