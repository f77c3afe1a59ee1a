/** Ends the life of old events: a pointer hides them, and their partitions are emptied as a whole. */
import { type Database, isLockTimeout } from '../database/database.ts';

const SLOTS = 8;
/** The part of the retention that one partition holds. With eight, a partition is emptied before its turn comes again. */
const SLOTS_OF_RETENTION = 6;
/** Positions that one statement looks at. */
const STEP = 100_000;

export function createEventRetention(database: Database, schema: string) {
  const table = `${schema}.event`;
  const head = `${schema}.event_head`;

  /** True: there may be more. */
  async function hideExpired(retentionMs: number): Promise<boolean> {
    const [row] = await database.query<{ step: string }>(
      // The last one of the step that is too old: times ascend with positions. While the first one is not, which is nearly
      // always so, no other is read.
      `WITH due AS MATERIALIZED (
         SELECT h.expired FROM ${head} h
         WHERE (SELECT e.sequenced_at FROM ${table} e WHERE e.position > h.expired ORDER BY e.position LIMIT 1)
           < clock_timestamp() - $1 * interval '1 millisecond'
       ), old AS (
         SELECT max(e.position) AS position FROM ${table} e, due
         WHERE e.position > due.expired AND e.position <= due.expired + ${STEP}
           AND e.sequenced_at < clock_timestamp() - $1 * interval '1 millisecond'
       )
       UPDATE ${head} h SET expired = old.position FROM old WHERE old.position > h.expired
       RETURNING old.position - h.expired AS step`,
      [retentionMs],
    );
    return row !== undefined;
  }

  async function emptySlots(): Promise<number> {
    const rows = await database.query<{ slot: number }>(
      `SELECT s.slot::integer AS slot FROM ${head} h, generate_series(0, ${SLOTS - 1}) AS s (slot)
       WHERE s.slot <> h.slot
         AND (SELECT e.position FROM ${table} e WHERE e.slot = s.slot ORDER BY e.position DESC LIMIT 1) <= h.expired`,
    );
    let emptied = 0;
    for (const { slot } of rows) {
      try {
        await database.query(`SELECT ${schema}.empty_event_slot($1::smallint)`, [slot]);
        emptied++;
      } catch (error) {
        // A backup reads it, perhaps for hours. The next call tries again.
        if (!isLockTimeout(error)) throw error;
      }
    }
    return emptied;
  }

  async function nextSlot(retentionMs: number): Promise<void> {
    // Where the next partition still holds events, the one in use grows.
    await database.query(
      `UPDATE ${head} h SET slot = (h.slot + 1) % ${SLOTS}, slot_since = clock_timestamp()
       WHERE h.slot_since <= clock_timestamp() - $1 * interval '1 millisecond'
         AND NOT EXISTS (SELECT FROM ${table} e WHERE e.slot = (h.slot + 1) % ${SLOTS})`,
      [retentionMs / SLOTS_OF_RETENTION],
    );
  }

  return {
    /**
     * Hides events that are older than `retentionMs`, by the clock of the database, and empties partitions that hold no
     * others. Resolves with the number of partitions that were emptied. Any number of processes may call it at once.
     */
    dropExpired: async (retentionMs: number, signal: AbortSignal): Promise<number> => {
      while (!signal.aborted && (await hideExpired(retentionMs))) {
        // The next step.
      }
      const emptied = await emptySlots();
      await nextSlot(retentionMs);
      return emptied;
    },
  };
}
