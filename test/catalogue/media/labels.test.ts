/** A search by label reads only the rows that have the label. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { backends, lifetimes, SCHEMA, setup } from '../backends.ts';

const ROWS = 3_000;
const NOW = new Date('2026-05-01T12:00:00Z');

for (const { name, skip, open } of backends) {
  describe(`labels on ${name}`, { skip }, () => {
    test('labels are searched by their index, one and several', async (t) => {
      const { database } = (await setup(t, open))!;
      await database.query(
        `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, labels, sent_at, expires_at, closes_at, status,
           created_at, updated_at)
         SELECT 'm_' || md5(n::text), 'wx1', 'm' || n, 'image',
           jsonb_build_object('order', 'o-' || n, 'shop', 's-' || n % 500), $1::timestamptz - n * interval '20 s',
           $1, $1, 'archived', $1, $1
         FROM generate_series(1, ${ROWS}) AS n`,
        [NOW],
      );
      await database.query(`ANALYZE ${SCHEMA}.media`);
      const plans: string[] = [];
      const watched: Database = {
        ...database,
        query: async (text, values) => {
          const rows = await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
          plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
          return await database.query(text, values);
        },
      };
      const catalogue = createCatalogue(watched, SCHEMA, lifetimes);
      const find = async (labels: Record<string, string>) =>
        (await catalogue.media.list({ labels }, { sort: 'sentAt', limit: 50 })).items.map(
          ({ mediaId }) => mediaId,
        );
      assert.deepEqual(await find({ order: 'o-777' }), ['m777']);
      assert.deepEqual(await find({ order: 'o-777', shop: 's-277' }), ['m777']);
      assert.deepEqual(await find({ order: 'o-777', shop: 's-1' }), []);
      assert.deepEqual(await find({ order: 'never' }), []);
      // A text that is JSON of its own, or ends one, is nothing but a text.
      assert.deepEqual(await find({ order: '"}' }), []);
      assert.deepEqual(await find({ '{"order"': 'o-777' }), []);
      assert.equal((await find({ shop: 's-7' })).length, ROWS / 500);
      for (const plan of plans) assert.match(plan, /media_labels/);
    });
  });
}
