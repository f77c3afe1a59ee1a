/** Many small writes as one statement: what is added while a statement runs goes together into the next one. */

export interface BatcherOptions<Item, Result> {
  /** Writes a batch. Resolves with one result for each item, in the order of the items. */
  write(items: readonly Item[]): Promise<readonly Result[]>;
  /** The most that one batch may hold, in units of `sizeOf`. An item larger than that is a batch of its own. */
  readonly maxSize: number;
  /** Default: each item counts 1. */
  sizeOf?(item: Item): number;
  /** Two items of one id never share a batch: a statement can change a row once. */
  idOf?(item: Item): string;
  /** Whether an error concerns all items alike. For any other error each item of the batch is written alone. */
  isShared(error: unknown): boolean;
  /** After so many milliseconds the next batch no longer waits for this one: it may wait for a lock. Default: waits. */
  readonly overlapAfterMs?: number;
}

export interface Batcher<Item, Result> {
  /** Resolves with the item's result once its batch is written. One failing item fails none of its neighbours. */
  add(item: Item): Promise<Result>;
  /** What waits for a batch, in units of `sizeOf`. Items in a running statement are not counted. */
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
  /** A statement runs, or will start at the end of this turn of the event loop. */
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
