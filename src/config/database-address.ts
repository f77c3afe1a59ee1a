/** The address of the database and the names of its schemas, as configuration, producers and queue share them. */

/**
 * Parses the URL of a database in libpq's forms: `postgresql://user@/db?host=/var/run/postgresql` names no host before its
 * path, which WHATWG's URL refuses once there is a user. Returns undefined where it is no
 * URL. Only for inspection: connect with the original text.
 */
export function parseDatabaseUrl(text: string): URL | undefined {
  return URL.parse(text) ?? URL.parse(text.replace('@/', '@localhost/')) ?? undefined;
}

/** At most 57, so that names derived from it stay within Postgres' 63. `bullmq` and `…_queue` are schemas of queues. */
export const SCHEMA_PATTERN = /^(?!pg_|bullmq$)(?!.*_queue$)[a-z_][a-z0-9_]{0,56}$/;
export const SCHEMA_RULE =
  'must be lower-case letters, digits and _, 57 at most, and neither bullmq nor begin with pg_ nor end in _queue';

const DEFAULT_SCHEMA = 'wma';

/** Returns BullMQ's schema for a catalogue's: two catalogues in one database must not take each other's jobs. */
export const queueSchemaOf = (schema: string): string =>
  schema === DEFAULT_SCHEMA ? 'bullmq' : `${schema}_queue`;
