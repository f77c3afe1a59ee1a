import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDatabase } from '../../../src/catalogue/database/database.ts';
import { migrate } from '../../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { requireSchemaName } from '../../../src/catalogue/database/requirements.ts';
import { missing, postgresForTest } from '../../machine/services.ts';

const log = { warn() {}, error() {}, info() {}, debug() {} } as never;

test('exactly the words that cannot be a schema name are refused, with a name that can', {
  skip: missing.postgres,
}, async (t) => {
  const url = await postgresForTest(t);
  if (!url) return;
  const pool = createPostgresPool({ url, searchPath: 'wma', maxConnections: 1, log });
  t.after(() => pool.end());
  const database = createDatabase(pool);
  const words = await database.query<{ word: string }>('SELECT word FROM pg_get_keywords() ORDER BY word');
  assert.ok(words.length > 400);
  for (const { word } of words) {
    const isTaken = await database.query(`DROP TABLE IF EXISTS ${word}.media`).then(
      () => true,
      (error: { code?: string }) => {
        assert.equal(error.code, '42601', word);
        return false;
      },
    );
    const isAllowed = await requireSchemaName(database, word).then(
      () => true,
      () => false,
    );
    assert.equal(isAllowed, isTaken, word);
  }
  await assert.rejects(migrate(database, 'user', new Date()), {
    name: 'DatabaseUnfitError',
    exitCode: 78,
    message: /DATABASE_SCHEMA=user is a reserved word of SQL\. .*wma_user/,
  });
});
