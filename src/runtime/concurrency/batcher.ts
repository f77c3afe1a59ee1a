/**
 * Combines many small writes into one statement: items that are added while a statement runs are written together by
 * the next one.
 */

export interface BatcherOptions<Item, Result> {
  /** Writes a batch. Resolves with one result for each item, in the order of the items. */
  write(items: readonly Item[]): Promise<readonly Result[]>;
  /** The maximum size of a batch, in units of `sizeOf`. A larger item is written in a separate batch. */
  readonly maxSize: number;
  /** The size of an item. Default: 1. */
  sizeOf?(item: Item): number;
  /** Two items with the same id are never in one batch, because a statement can change a row only once. */
  idOf?(item: Item): string;
  /**
   * Whether an error concerns all items of a batch. After any other error each item of the batch is written separately.
   */
  isShared(error: unknown): boolean;
  /**
   * After this many milliseconds the next batch no longer waits for the running one, which may wait for a lock.
   * Default: it waits.
   */
  readonly overlapAfterMs?: number;
}

export interface Batcher<Item, Result> {
  /** Resolves with the item's result once its batch is written. An item that fails does not make other items fail. */
  add(item: Item): Promise<Result>;
  /**
   * The size of the items that wait for a batch, in units of `sizeOf`. Items in a running statement are not counted.
   */
  readonly waitingSize: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly size: number;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  let waiting: Waiting<Item, Result>[] = [];
  let waitingSize = 0;
  /** Whether a statement runs, or will start at the end of this turn of the event loop. */
  let isBusy = false;

  function nextBatch(): Waiting<Item, Result>[] {
    const batch: Waiting<Item, Result>[] = [];
    const ids = new Set<string>();
    const rest: Waiting<Item, Result>[] = [];
    let size = 0;
    let isFull = false;
    for (const one of waiting) {
      const id = options.idOf?.(one.item);
      if (!isFull && batch.length > 0 && size + one.size > options.maxSize) isFull = true;
      if (isFull || (id !== undefined && ids.has(id))) {
        rest.push(one);
        continue;
      }
      batch.push(one);
      size += one.size;
      if (id !== undefined) ids.add(id);
    }
    waiting = rest;
    waitingSize -= size;
    return batch;
  }

  async function writeBatch(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await options.write(batch.map((one) => one.item));
      batch.forEach((one, index) => {
        one.resolve(results[index] as Result);
      });
    } catch (error) {
      if (batch.length === 1 || options.isShared(error)) for (const one of batch) one.reject(error);
      else for (const one of batch) await writeBatch([one]);
    }
  }

  function writeNext(): void {
    isBusy = waiting.length > 0;
    if (!isBusy) return;
    let isFollowed = false;
    const follow = () => {
      clearTimeout(timer);
      if (!isFollowed) writeNext();
      isFollowed = true;
    };
    const { overlapAfterMs } = options;
    const timer = overlapAfterMs === undefined ? undefined : setTimeout(follow, overlapAfterMs);
    void writeBatch(nextBatch()).then(follow);
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        const size = options.sizeOf?.(item) ?? 1;
        waiting.push({ item, size, resolve, reject });
        waitingSize += size;
        if (isBusy) return;
        isBusy = true;
        setImmediate(writeNext);
      }),
    get waitingSize() {
      return waitingSize;
    },
  };
}
