/** The schema as text, from the system catalogues in one stable order, because pg_dump is not installed everywhere. */
import type { Database } from '../../src/catalogue/database/database.ts';

/** Each query returns lines that are sorted by the database in the C collation, the same on each engine. */
const SECTIONS: readonly { title: string; sql: string }[] = [
  {
    title: 'Tables and columns',
    sql: `SELECT c.relname AS sort1, a.attnum AS sort2,
        c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
          || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
          || CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE '' END
          || CASE WHEN a.attgenerated = 's' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
                  WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END AS line
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p')`,
  },
  {
    title: 'Storage options',
    sql: `SELECT relname AS sort1, 0 AS sort2, relname || ' WITH (' || array_to_string(reloptions, ', ') || ')' AS line
      FROM pg_class WHERE relnamespace = $1::regnamespace AND reloptions IS NOT NULL`,
  },
  {
    // NOT NULL is a constraint of its own from Postgres 18 on; here it stands with the column.
    title: 'Constraints',
    sql: `SELECT conrelid::regclass::text || '.' || conname AS sort1, 0 AS sort2,
        conrelid::regclass || '.' || conname || ' ' || pg_get_constraintdef(oid) AS line
      FROM pg_constraint WHERE connamespace = $1::regnamespace AND contype <> 'n'`,
  },
  {
    title: 'Indexes',
    sql: `SELECT c.relname AS sort1, 0 AS sort2, pg_get_indexdef(c.oid) AS line
      FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'i'`,
  },
  {
    title: 'Functions',
    sql: `SELECT proname AS sort1, 0 AS sort2,
        rtrim(pg_get_functiondef(oid), E'\\n') || CASE WHEN proacl IS NULL THEN ''
          ELSE E'\\n-- ' || (SELECT count(*) FROM aclexplode(proacl) WHERE grantee = 0) || ' rights of PUBLIC' END AS line
      FROM pg_proc WHERE pronamespace = $1::regnamespace`,
  },
  {
    title: 'Triggers',
    sql: `SELECT t.tgrelid::regclass::text || '.' || t.tgname AS sort1, 0 AS sort2, pg_get_triggerdef(t.oid) AS line
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      WHERE c.relnamespace = $1::regnamespace AND NOT t.tgisinternal`,
  },
];

export async function dumpSchema(database: Database, schema: string): Promise<string> {
  return await database.transaction(async (transaction) => {
    // Every name is then qualified, whatever the search path of the session is.
    await transaction.query('SET LOCAL search_path TO pg_catalog');
    const parts: string[] = [];
    for (const { title, sql } of SECTIONS) {
      const rows = await transaction.query<{ line: string }>(
        `SELECT line FROM (${sql}) AS found ORDER BY sort1 COLLATE "C", sort2`,
        [schema],
      );
      parts.push(`-- ${title}`, ...rows.map((row) => row.line), '');
    }
    // Characters that an editor does not show.
    return parts
      .join('\n')
      .replace(/[\u200b-\u206f\ufeff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
  });
}
