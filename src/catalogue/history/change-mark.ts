/** A mark that differs when something that the dashboard shows has changed. */
import type { Database } from '../database/database.ts';

export function createChangeMark(database: Database, schema: string) {
  return {
    /** Reads ends of indexes only, so that it may be called each second. Opaque; only equality means something. */
    read: async (): Promise<string> => {
      const [row] = await database.query<{ mark: string }>(
        `SELECT concat_ws(' ',
           (SELECT concat(extract(epoch FROM updated_at), id) FROM ${schema}.media
            ORDER BY updated_at DESC, id DESC LIMIT 1),
           (SELECT max(seq) FROM ${schema}.audit_log),
           (SELECT concat(max(id), '-', count(*) FILTER (WHERE ended_at IS NULL)) FROM ${schema}.alert
            WHERE end_sent_at IS NULL OR ended_at IS NULL),
           (SELECT string_agg(concat(account, held_until), ',' ORDER BY account) FROM ${schema}.account
            WHERE held_until IS NOT NULL),
           (SELECT max(updated_at) FROM ${schema}.redrive WHERE state = 'running'),
           (SELECT concat(count(*), max(updated_at)) FROM ${schema}.verification
            WHERE state IN ('waiting', 'running'))) AS mark`,
      );
      return row?.mark ?? '';
    },
  };
}
