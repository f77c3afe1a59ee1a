/** The log of deeds: who did what to what, and why. Append-only; the database itself refuses to change it. */
import type { Database, Queryable } from './database.ts';

export type Action = 'redrive' | 'redrive.stop' | 'erase' | 'hold' | 'release' | 'adopt';

export interface Event {
  readonly at: Date;
  /** The name of the API key, or the part of the program that did it. */
  readonly actor: string;
  readonly action: Action;
  /** An id of a media, an account or a redrive; never an openId. */
  readonly target: string;
  readonly reason?: string | undefined;
}

/** Writes events with the deed they are about: `transaction` is the deed's own. */
export async function recordEvents(
  transaction: Queryable,
  schema: string,
  events: readonly Event[],
): Promise<void> {
  if (events.length === 0) return;
  await transaction.query(
    `INSERT INTO ${schema}.event (at, actor, action, target, reason)
     SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[])`,
    [
      events.map((event) => event.at),
      events.map((event) => event.actor),
      events.map((event) => event.action),
      events.map((event) => event.target),
      events.map((event) => event.reason ?? null),
    ],
  );
}

export function createEvents(database: Database, schema: string) {
  return {
    /** Newest first, `target` one id or account; at most `limit`. `before`: the `seq` of the last one seen. */
    list: async (
      of: { target?: string | undefined; before?: number | undefined },
      limit: number,
    ): Promise<(Event & { seq: number })[]> => {
      const rows = await database.query<Event & { seq: string }>(
        `SELECT seq, at, actor, action, target, reason FROM ${schema}.event
         WHERE ($1::text IS NULL OR target = $1) AND ($2::bigint IS NULL OR seq < $2)
         ORDER BY seq DESC LIMIT $3`,
        [of.target ?? null, of.before ?? null, limit],
      );
      return rows.map(({ seq, reason, ...event }) => ({
        ...event,
        seq: Number(seq),
        reason: reason ?? undefined,
      }));
    },
  };
}
