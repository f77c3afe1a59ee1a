/**
 * Gives events their positions. Events wait in `event_outbox` until their transactions have committed; one statement at
 * a time, in any process, moves them to `event`. So positions become visible in ascending order, without gaps.
 */
import type { EventType } from '../../event.ts';
import type { Database } from '../database/database.ts';
import type { FeedCursor } from './cursor.ts';

/** Events that one statement moves: some milliseconds, for which others that give positions wait. */
const BATCH = 1_000;

export interface Sequenced {
  /** The end of the feed, behind the events that were moved. */
  readonly end: FeedCursor;
  readonly counts: ReadonlyMap<EventType, number>;
  /** Whether more may wait. */
  readonly hasMore: boolean;
}

export function createEventSequence(database: Database, schema: string) {
  return {
    /** Writes nothing where no event waits. Any number of processes may call it at once. */
    sequence: async (): Promise<Sequenced> => {
      const rows = await database.query<{
        position: string;
        sequenced_at: Date;
        type: EventType | null;
        n: string;
      }>(
        // The row of event_head is locked before the outbox is read again: of two statements the second one finds what the
        // first one left. Its snapshot may be older, so it may move nothing; the next call does.
        `WITH head AS (
           SELECT position, sequenced_at, slot FROM ${schema}.event_head
           WHERE EXISTS (SELECT FROM ${schema}.event_outbox) FOR UPDATE
         ), moved AS (
           DELETE FROM ${schema}.event_outbox
           WHERE seq IN (SELECT seq FROM ${schema}.event_outbox WHERE EXISTS (SELECT FROM head) ORDER BY seq LIMIT ${BATCH})
           RETURNING *
         ), numbered AS (
           SELECT head.position + row_number() OVER (ORDER BY seq) AS position, head.slot, moved.type, moved.at,
             greatest(clock_timestamp(), head.sequenced_at) AS sequenced_at, moved.account, moved.media
           FROM moved, head
         ), written AS (
           INSERT INTO ${schema}.event (slot, position, id, type, at, sequenced_at, account, media)
           SELECT slot, position, gen_random_uuid(), type, at, (SELECT max(sequenced_at) FROM numbered), account, media
           FROM numbered
         ), counted AS (
           SELECT type, count(*) AS n, max(position) AS position, max(sequenced_at) AS sequenced_at FROM numbered GROUP BY type
         ), moved_head AS (
           UPDATE ${schema}.event_head SET position = ended.position, sequenced_at = ended.sequenced_at
           FROM (SELECT max(position) AS position, max(sequenced_at) AS sequenced_at FROM counted) AS ended
           WHERE ended.position IS NOT NULL
         )
         SELECT coalesce((SELECT max(position) FROM counted), (SELECT position FROM ${schema}.event_head)) AS position,
           coalesce((SELECT max(sequenced_at) FROM counted),
             (SELECT sequenced_at FROM ${schema}.event_head)) AS sequenced_at,
           counted.type, coalesce(counted.n, 0) AS n
         FROM (SELECT 1) AS one LEFT JOIN counted ON true`,
      );
      const counts = new Map(rows.flatMap(({ type, n }) => (type ? [[type, Number(n)] as const] : [])));
      const moved = [...counts.values()].reduce((sum, n) => sum + n, 0);
      const position = Number(rows[0]?.position ?? 0);
      const atMs = position === 0 ? 0 : rows[0]!.sequenced_at.getTime();
      return { end: { position, atMs }, counts, hasMore: moved >= BATCH };
    },

    /** When the oldest event that waits for a position happened. */
    oldestWaiting: async (): Promise<Date | undefined> => {
      const [row] = await database.query<{ at: Date }>(
        `SELECT at FROM ${schema}.event_outbox ORDER BY seq LIMIT 1`,
      );
      return row?.at;
    },
  };
}
