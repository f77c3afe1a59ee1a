/**
 * The schema that the migrations make is the committed schema.sql, on each engine. After a new migration write the file
 * anew, review the difference and commit it:
 * `UPDATE_SCHEMA=1 node_modules/node/bin/node --test --test-name-pattern PGlite test/catalogue/schema.test.ts`
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { backends, SCHEMA, setup } from './backends.ts';
import { dumpSchema } from './dump-schema.ts';

const FILE = new URL('schema.sql', import.meta.url);

for (const { name, skip, open } of backends) {
  test(`the migrations make the schema of schema.sql on ${name}`, { skip }, async (t) => {
    const bundle = await setup(t, open);
    if (!bundle) return;
    const dump = await dumpSchema(bundle.database, SCHEMA);
    if (process.env.UPDATE_SCHEMA === '1') await writeFile(FILE, dump);
    assert.equal(dump, await readFile(FILE, 'utf8'));
  });
}
