/**
 * Reads the feed for one client: pages from the catalogue, and once it has read everything, the events that come, which
 * the feed hands to all clients that wait.
 */
import type { FeedCursor } from '../../../catalogue/events/cursor.ts';
import type { EventFilter } from '../../../catalogue/events/read.ts';
import type { Event } from '../../../event.ts';
import type { Language } from '../../../explanation.ts';
import type { EventJson } from '../../../pipeline/events/event-json.ts';
import type { Limiter } from '../../../runtime/concurrency/limiter.ts';
import { Problem } from '../../problem.ts';
import type { RouteDeps } from '../../route-deps.ts';

export type EventReaderDeps = Pick<RouteDeps, 'catalogue' | 'eventJson' | 'feed'> & {
  readonly reads: Limiter;
};

export interface ReadPage {
  readonly items: readonly { readonly event: Event; readonly json: EventJson }[];
  readonly end: FeedCursor;
  /** Whether later events may be there already. */
  readonly hasMore: boolean;
  /** The feed has lost its end. The client must come back with its cursor, which is located anew. */
  readonly isLost?: true;
}

export interface EventReader {
  /** Reads at most `limit` events after a cursor that was located after this reader was created. */
  read(after: FeedCursor, limit: number, signal: AbortSignal): Promise<ReadPage>;
  /** Waits for an event after a cursor. Undefined: read the catalogue, or the time is over. */
  wait(after: FeedCursor, ms: number, signal: AbortSignal): Promise<ReadPage | undefined>;
}

/** Reads of all clients together that are in progress. Each is short; after a restart, all clients come at once. */
const READS = 8;
const READ_WAIT_MS = 20_000;

/** Runs `work` as one of the reads. Throws Problem `overloaded` if there are too many. */
export async function withinReads<T>(
  reads: Limiter,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const release = await reads.acquire('', { limit: READS, waitMs: READ_WAIT_MS }, signal);
  if (!release) throw new Problem('overloaded', { retryAfterSeconds: 2 });
  try {
    return await work();
  } finally {
    release();
  }
}

export function createEventReader(
  deps: EventReaderDeps,
  filter: EventFilter,
  language: Language,
): EventReader {
  const { types, accounts } = filter;
  const matches = ({ type, account }: Event) =>
    (!types || types.includes(type)) && (!accounts || (account !== undefined && accounts.includes(account)));
  const losses = deps.feed.losses();
  const isLost = () => deps.feed.losses() !== losses;
  const lostAt = (end: FeedCursor): ReadPage => ({ items: [], end, hasMore: false, isLost: true });

  return {
    read: (after, limit, signal) =>
      withinReads(deps.reads, signal, async () => {
        const { items, end, hasMore } = await deps.catalogue.events.read(after.position, filter, limit);
        if (isLost()) return lostAt(after);
        const json = await deps.eventJson(items, language);
        return { items: items.map((event, index) => ({ event, json: json[index]! })), end, hasMore };
      }),
    wait: async (after, ms, signal) => {
      const batch = isLost() ? undefined : await deps.feed.wait(after.position, ms, signal);
      if (isLost()) return lostAt(after);
      if (!batch) return undefined;
      const found = batch.items
        .map((event, index) => ({ event, index }))
        .filter(({ event }) => event.position > after.position && matches(event));
      const json = found.length > 0 ? await batch.json(language) : [];
      const items = found.map(({ event, index }) => ({ event, json: json[index]! }));
      return { items, end: batch.end, hasMore: batch.hasMore };
    },
  };
}
