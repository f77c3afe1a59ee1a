/** One statement for many callers: what is asked while a statement is on its way goes together in the next one. */
import { DatabaseUnavailableError } from './database.ts';

const GROUP_SIZE = 100;
/** A statement that waits for a lock for so long is no longer waited for by those behind it. */
const PATIENCE_MS = 250;

interface Waiting<Item, Answer> {
  readonly item: Item;
  resolve(answer: Answer | undefined): void;
  reject(error: unknown): void;
}

/**
 * `write` answers by id; an item that found nothing to do has no answer. A statement that fails is repeated for each
 * item alone, so that one failing item fails none of its neighbours; a database that is away fails them all alike.
 * An id stands in a statement once.
 */
export function createGrouping<Item extends { readonly id: string }, Answer>(
  write: (items: readonly Item[]) => Promise<ReadonlyMap<string, Answer>>,
): (item: Item) => Promise<Answer | undefined> {
  let waiting: Waiting<Item, Answer>[] = [];
  /** A statement is on its way, or will be at the end of this turn of the event loop. */
  let isBusy = false;

  function nextGroup(): ReadonlyMap<string, Waiting<Item, Answer>> {
    const group = new Map<string, Waiting<Item, Answer>>();
    const rest: Waiting<Item, Answer>[] = [];
    for (const one of waiting) {
      if (group.size < GROUP_SIZE && !group.has(one.item.id)) group.set(one.item.id, one);
      else rest.push(one);
    }
    waiting = rest;
    return group;
  }

  async function writeGroup(group: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await write(group.map((one) => one.item));
      for (const one of group) one.resolve(answers.get(one.item.id));
    } catch (error) {
      if (group.length === 1 || error instanceof DatabaseUnavailableError) {
        for (const one of group) one.reject(error);
      } else {
        for (const one of group) await writeGroup([one]);
      }
    }
  }

  function next(): void {
    isBusy = waiting.length > 0;
    if (!isBusy) return;
    let isOurs = true;
    const goOn = () => {
      clearTimeout(timer);
      if (isOurs) next();
      isOurs = false;
    };
    const timer = setTimeout(goOn, PATIENCE_MS);
    void writeGroup([...nextGroup().values()]).then(goOn);
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (isBusy) return;
      isBusy = true;
      setImmediate(next);
    });
}
