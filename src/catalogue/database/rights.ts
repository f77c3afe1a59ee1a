/** Checks whether the role of DATABASE_URL has the rights that the program needs. Reads only the system catalogue. */
import type { Queryable } from './database.ts';
import { DatabaseUnfitError } from './requirements.ts';

interface Missing {
  readonly schema: string;
  readonly kind: 'database' | 'schema' | 'table' | 'sequence' | 'function';
  readonly name: string;
  readonly rights: string;
}

/** The audit log is only inserted into, and only the migrating role writes the table migration. */
const MISSING = `
  WITH space AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ($1::text[])
  ), missing AS (
    SELECT nspname AS schema, 'schema' AS kind, '' AS name, 'USAGE' AS needed
    FROM space WHERE NOT has_schema_privilege(oid, 'USAGE')
    UNION ALL
    SELECT nspname, 'table', relname, needed
    FROM space JOIN pg_class c ON relnamespace = space.oid
      CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
    WHERE relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, needed)
      AND (relname <> 'migration' OR needed = 'SELECT')
      AND (nspname <> $2 OR relname <> 'audit_log' OR needed IN ('SELECT', 'INSERT'))
    UNION ALL
    SELECT nspname, 'sequence', c.relname, 'USAGE'
    FROM space JOIN pg_class c ON c.relnamespace = space.oid
    -- CASE: for other kinds this function is an error, and a plan may call it first.
    WHERE CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') ELSE false END
      -- Identity columns need no right on their sequence.
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'i')
    UNION ALL
    -- BullMQ adds jobs through a temporary table.
    SELECT current_database(), 'database', '', 'TEMPORARY'
    WHERE cardinality($1::text[]) > 1 AND NOT has_database_privilege(current_database(), 'TEMPORARY')
    UNION ALL
    SELECT DISTINCT nspname, 'function', proname, 'EXECUTE'
    FROM space JOIN pg_proc p ON pronamespace = space.oid
    WHERE NOT has_function_privilege(p.oid, 'EXECUTE') AND (nspname <> $2 OR proname <> 'archive')
  )
  SELECT schema, kind, name, string_agg(needed, ', ') AS rights FROM missing
  GROUP BY schema, kind, name ORDER BY schema, kind, name`;

const PLURALS = { table: 'TABLES', sequence: 'SEQUENCES', function: 'FUNCTIONS' } as const;
const NEEDED = { table: 'SELECT, INSERT, UPDATE, DELETE', sequence: 'USAGE', function: 'EXECUTE' } as const;
const NAMED = 3;

/**
 * Throws {@link DatabaseUnfitError} with the missing rights and the GRANT for each. A schema that does not exist is
 * skipped.
 */
export async function requireRights(
  database: Queryable,
  schema: string,
  further: readonly string[],
): Promise<void> {
  const missing = await database.query<Missing & Record<string, unknown>>(MISSING, [
    [schema, ...further],
    schema,
  ]);
  if (missing.length === 0) return;
  const [who] = await database.query<{ role: string }>('SELECT quote_ident(current_user) AS role');
  const role = who?.role ?? 'that role';
  const words = missing.map(
    ({ schema, name, rights }) => `${rights} on ${name === '' ? schema : `${schema}.${name}`}`,
  );
  const rest = words.length > NAMED ? [`${words.length - NAMED} more`] : [];
  const grants = missing.map(({ schema: space, kind, name, rights }) => {
    if (kind === 'schema' || kind === 'database')
      return `GRANT ${rights} ON ${kind.toUpperCase()} ${space} TO ${role};`;
    // Not on all functions: some of ours are for producers only.
    if (kind === 'function' && space === schema)
      return `GRANT EXECUTE ON FUNCTION ${space}.${name} TO ${role};`;
    return `GRANT ${NEEDED[kind]} ON ALL ${PLURALS[kind]} IN SCHEMA ${space} TO ${role};`;
  });
  throw new DatabaseUnfitError(
    `The role ${role} of DATABASE_URL lacks rights: ${[...words.slice(0, NAMED), ...rest].join('; ')}. The owner of the schema gives them with: ${[...new Set(grants)].join(' ')}`,
  );
}
