/** Where the database is, and how its schemas are called: what configuration, producers and queue share. */

/**
 * The URL of a database in libpq's forms: `postgresql://user@/db?host=/var/run/postgresql` names no host before its
 * path, which WHATWG's URL refuses once there is a user. Undefined: not a URL. For looking at, not for connecting.
 */
export function parseDatabaseUrl(text: string): URL | undefined {
  return URL.parse(text) ?? URL.parse(text.replace('@/', '@localhost/')) ?? undefined;
}

/** 57 at most, so that the names made of it stay within Postgres' 63. `bullmq` and `…_queue` hold queues. */
export const SCHEMA_PATTERN = /^(?!pg_|bullmq$)(?!.*_queue$)[a-z_][a-z0-9_]{0,56}$/;
export const SCHEMA_RULE =
  'must be lower-case letters, digits and _, 57 at most, and neither bullmq nor begin with pg_ nor end in _queue';

const DEFAULT_SCHEMA = 'wma';

/** BullMQ's schema beside a catalogue's: two catalogues in one database must not take each other's jobs. */
export const queueSchemaOf = (schema: string): string =>
  schema === DEFAULT_SCHEMA ? 'bullmq' : `${schema}_queue`;
