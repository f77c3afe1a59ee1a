/** Prepares some items ahead of the one that is in use, and keeps their order. */

/**
 * Yields the result of `prepare` for each item, in the order of the items, while up to `count` are being prepared. Throws
 * what `prepare` throws, when the item's turn comes. Work in progress is to be ended by the signal that `prepare` uses.
 */
export async function* lookAhead<Item, Result>(
  items: AsyncIterable<Item>,
  prepare: (item: Item) => Promise<Result>,
  count: number,
): AsyncGenerator<Result> {
  const prepared: Promise<Result>[] = [];
  for await (const item of items) {
    const one = prepare(item);
    // It is thrown in its turn; until then it is not an unhandled rejection.
    one.catch(() => undefined);
    prepared.push(one);
    if (prepared.length >= count) yield await (prepared.shift() as Promise<Result>);
  }
  for (let one = prepared.shift(); one; one = prepared.shift()) yield await one;
}
