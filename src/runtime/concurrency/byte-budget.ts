/**
 * Limits the bytes of media items that this process has in memory. Each attempt reserves the worst case before its
 * request, so the memory depends on BYTE_BUDGET and not on how many large files arrive together.
 */

export interface Reservation {
  /** The bytes that are reserved at the moment. */
  readonly bytes: number;
  /** Reduces the reservation, once the headers show the length. Never increases it. */
  shrink(toBytes: number): void;
  /** Releases all bytes. A second call does nothing. */
  release(): void;
}

export interface ByteBudget {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Number of reservations that wait. */
  readonly waiting: number;
  /**
   * Reserves `bytes`, first in first out: if small reservations could overtake a large one, the large one might wait
   * without end. A reservation larger than the whole budget is cut to the budget and so runs alone; if it were refused,
   * such a file could never be archived on a small machine. Rejects with the signal's reason when it aborts.
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

  function grantWaiting(): void {
    for (let head = queue[0]; head && head.bytes <= freeBytes; head = queue[0]) {
      queue.shift();
      freeBytes -= head.bytes;
      head.grant();
    }
  }

  function createReservation(granted: number): Reservation {
    let bytes = granted;
    const shrink = (toBytes: number) => {
      const next = Math.max(0, Math.min(bytes, toBytes));
      freeBytes += bytes - next;
      bytes = next;
      grantWaiting();
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
        return createReservation(bytes);
      }
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = {
          bytes,
          grant: () => {
            signal.removeEventListener('abort', cancel);
            resolve();
          },
        };
        // The removed reservation may have been a large one that blocked the others.
        const cancel = () => {
          queue.splice(queue.indexOf(waiter), 1);
          reject(signal.reason);
          grantWaiting();
        };
        signal.addEventListener('abort', cancel, { once: true });
        queue.push(waiter);
      });
      return createReservation(bytes);
    },
  };
}
