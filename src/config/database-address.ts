/** The address of the database and the names of its schemas. Used by the configuration, the producers and the queue. */

/**
 * Parses the URL of a database in libpq's forms. `postgresql://user@/db?host=/var/run/postgresql` has no host before
 * its path, which WHATWG's URL refuses if the URL has a user. Returns undefined if the text is not a URL. The result is
 * only for inspection: connect with the original text.
 */
export function parseDatabaseUrl(text: string): URL | undefined {
  return URL.parse(text) ?? URL.parse(text.replace('@/', '@localhost/')) ?? undefined;
}

/**
 * At most 57 characters, so that names derived from it are within the 63 that Postgres allows. `bullmq` and `…_queue`
 * are schemas of queues.
 */
export const SCHEMA_PATTERN = /^(?!pg_|bullmq$)(?!.*_queue$)[a-z_][a-z0-9_]{0,56}$/;
export const SCHEMA_RULE =
  'must be lower-case letters, digits and _, 57 at most, and neither bullmq nor begin with pg_ nor end in _queue';

const DEFAULT_SCHEMA = 'wma';

/**
 * Returns BullMQ's schema for the schema of a catalogue. They differ per catalogue, because two catalogues in one
 * database must not process each other's jobs.
 */
export const queueSchemaOf = (schema: string): string =>
  schema === DEFAULT_SCHEMA ? 'bullmq' : `${schema}_queue`;
