/** Reads the feed of events. */
import type { Event, EventType } from '../../event.ts';
import type { Database } from '../database/database.ts';
import type { FeedCursor } from './cursor.ts';

export interface EventFilter {
  /** Absent: all. */
  readonly types?: readonly EventType[];
  /** Events of these accounts only, so none of the store. Absent: all. */
  readonly accounts?: readonly string[];
}

export interface EventPage {
  readonly items: readonly Event[];
  /** Up to here everything has been read. */
  readonly end: FeedCursor;
  /** Whether later events were there that were not looked at. */
  readonly hasMore: boolean;
}

export interface FeedHead extends FeedCursor {
  /** Events up to this position are not kept any more. */
  readonly expired: number;
}

/** Where a cursor stands: at the event it names, before events that are gone, or in a feed that was restored. */
export type CursorPlace =
  | { readonly is: 'here'; readonly cursor: FeedCursor }
  | { readonly is: 'expired'; readonly oldest: FeedCursor };

interface EventRecord {
  position: string;
  id: string;
  type: EventType;
  at: Date;
  sequenced_at: Date;
  account: string | null;
  media: string | null;
}

/** Positions that one statement looks at. Few match a rare type, and its work must be bounded. */
const WINDOW = 20_000;
/** Windows for one page: 0.2 s where nothing matches. */
const WINDOWS = 10;
/** Clocks of a primary and a promoted standby differ by less. */
const REWIND_MS = 60_000;

const COLUMNS = 'position, id, type, at, sequenced_at, account, media';

const toEvent = (row: EventRecord): Event => ({
  position: Number(row.position),
  id: `evt_${row.id.replaceAll('-', '')}`,
  type: row.type,
  at: row.at,
  sequencedAt: row.sequenced_at,
  ...(row.account === null ? {} : { account: row.account }),
  ...(row.media === null ? {} : { media: row.media }),
});

export const cursorOfEvent = ({ position, sequencedAt }: Event): FeedCursor => ({
  position,
  atMs: sequencedAt.getTime(),
});

export function createEventReads(database: Database, schema: string) {
  const table = `${schema}.event`;

  async function head(): Promise<FeedHead> {
    const [row] = await database.query<{ position: string; sequenced_at: Date; expired: string }>(
      `SELECT position, sequenced_at, expired FROM ${schema}.event_head`,
    );
    const position = Number(row?.position ?? 0);
    return {
      position,
      atMs: position === 0 ? 0 : row!.sequenced_at.getTime(),
      expired: Number(row?.expired ?? 0),
    };
  }

  async function cursorAt(position: number): Promise<FeedCursor> {
    if (position === 0) return { position, atMs: 0 };
    const [row] = await database.query<{ sequenced_at: Date }>(
      `SELECT sequenced_at FROM ${table} WHERE position = $1`,
      [position],
    );
    return { position, atMs: row?.sequenced_at.getTime() ?? 0 };
  }

  /** The position of the last event that got it before this time; that of the last expired one, if all are later. */
  async function positionBefore(time: Date): Promise<number> {
    const last = await head();
    let low = last.expired;
    let high = last.position;
    // Times ascend with positions, and there is no index of them: 40 look-ups for a million million events.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const { atMs } = await cursorAt(middle);
      if (atMs < time.getTime()) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async function window(after: number, until: number, filter: EventFilter, limit: number): Promise<Event[]> {
    const rows = await database.query<EventRecord>(
      `SELECT ${COLUMNS} FROM ${table}
       WHERE position > $1 AND position <= $2
         AND ($3::text[] IS NULL OR type = ANY ($3)) AND ($4::text[] IS NULL OR account = ANY ($4))
       ORDER BY position LIMIT $5`,
      [
        after,
        until,
        filter.types ? [...filter.types] : null,
        filter.accounts ? [...filter.accounts] : null,
        limit,
      ],
    );
    return rows.map(toEvent);
  }

  return {
    head,

    /** The position after which the events begin that are still kept. */
    oldest: async (): Promise<FeedCursor> => cursorAt((await head()).expired),

    /**
     * Reads at most `limit` events after a position, oldest first. A page may be empty although later events match: `end`
     * has moved on, and `hasMore` says so.
     */
    read: async (after: number, filter: EventFilter, limit: number): Promise<EventPage> => {
      const last = await head();
      const items: Event[] = [];
      let position = after;
      for (let turn = 0; turn < WINDOWS && position < last.position && items.length < limit; turn++) {
        const until = Math.min(position + WINDOW, last.position);
        const found = await window(position, until, filter, limit - items.length);
        items.push(...found);
        position = items.length >= limit ? found.at(-1)!.position : until;
      }
      const lastItem = items.at(-1);
      const known = lastItem?.position === position ? cursorOfEvent(lastItem) : undefined;
      const end = position === last.position ? { position, atMs: last.atMs } : await cursorAt(position);
      return { items, end: known ?? end, hasMore: position < last.position };
    },

    /**
     * Finds the place of a cursor. After a restore or a promotion that lost transactions, positions are given again:
     * then reading begins again at the first event after the time of the cursor, so that some events may come twice.
     */
    locate: async (cursor: FeedCursor): Promise<CursorPlace> => {
      const { position, atMs } = cursor;
      const last = await head();
      if (position < last.expired) return { is: 'expired', oldest: await cursorAt(last.expired) };
      if (position === 0) return { is: 'here', cursor };
      const [row] = await database.query<{ sequenced_at: Date }>(
        `SELECT sequenced_at FROM ${table} WHERE position = $1`,
        [position],
      );
      const isSame = row ? row.sequenced_at.getTime() === atMs : position === last.expired;
      if (isSame) return { is: 'here', cursor };
      const restart = await positionBefore(new Date(atMs - REWIND_MS));
      return { is: 'here', cursor: await cursorAt(restart) };
    },

    positionBefore,
  };
}
