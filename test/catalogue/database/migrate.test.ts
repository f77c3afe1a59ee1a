import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MigrationError, migrate } from '../../../src/catalogue/database/migrate.ts';
import { idOf } from '../../../src/media.ts';
import { backends, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');

for (const { name, skip, open } of backends) {
  test(`a schema of an earlier release is refused with the way to move its rows, on ${name}`, {
    skip,
  }, async (t) => {
    const database = await open(t);
    if (!database) return;
    await database.query(`CREATE SCHEMA ${SCHEMA}`);
    await database.query(
      `CREATE TABLE ${SCHEMA}.migration (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)`,
    );
    await database.query(
      `INSERT INTO ${SCHEMA}.migration VALUES (1, '001_catalogue.sql', now()), (2, '002_producer.sql', now())`,
    );
    await assert.rejects(migrate(database, SCHEMA, NOW), (error: Error) => {
      assert.ok(error instanceof MigrationError);
      assert.equal(error.exitCode, 78);
      assert.match(error.message, /schema wma was made by an earlier release .*002_producer\.sql/);
      assert.match(error.message, /`wma export .*DATABASE_URL.*`wma verify --adopt`.*`wma import /);
      return true;
    });
    const tables = await database.query('SELECT FROM pg_tables WHERE schemaname = $1', [SCHEMA]);
    assert.equal(tables.length, 1, 'nothing was created');
  });

  test(`a schema whose migration of a known number has another name is refused, on ${name}`, {
    skip,
  }, async (t) => {
    const bundle = await setup(t, open);
    if (!bundle) return;
    await bundle.database.query(`UPDATE ${SCHEMA}.migration SET name = '001_other.sql'`);
    await assert.rejects(migrate(bundle.database, SCHEMA, NOW), MigrationError);
  });

  test(`a schema that a newer release has migrated is left as it is, on ${name}`, { skip }, async (t) => {
    const bundle = await setup(t, open);
    if (!bundle) return;
    await bundle.database.query(`INSERT INTO ${SCHEMA}.migration VALUES (900, '900_newer.sql', now())`);
    assert.deepEqual(await migrate(bundle.database, SCHEMA, NOW), []);
  });

  test(`an imported reference fills in what the object of an adopted row does not carry, on ${name}`, {
    skip,
  }, async (t) => {
    const bundle = await setup(t, open);
    if (!bundle) return;
    const { catalogue } = bundle;
    const reference = { account: 'wx1', mediaId: 'a', kind: 'image', sentAt: NOW } as const;
    const id = idOf('wx1', 'a');
    const stored = {
      bucket: 'b',
      objectKey: 'k.jpg',
      sizeBytes: 1,
      sha256: 'ab',
      contentType: 'image/jpeg',
      source: 'media_get',
      lengthVerified: true,
    } as const;
    await catalogue.objects.adopt({ id, reference, stored }, { actor: 'ops', reason: 'moved' }, NOW);
    const [accepted] = await catalogue.media.insert(
      [{ ...reference, openId: 'o1', labels: { shop: '7' } }],
      NOW,
      false,
    );
    assert.deepEqual([accepted?.created, accepted?.status], [false, 'archived']);
    const row = await catalogue.media.get(id);
    assert.deepEqual([row?.openId, row?.labels, row?.objectKey], ['o1', { shop: '7' }, 'k.jpg']);
  });
}
