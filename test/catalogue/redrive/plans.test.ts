/** With a hundred thousand rows a page of a redrive, its preview and the groups read only dead letters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database, Queryable } from '../../../src/catalogue/database/database.ts';
import { missing } from '../../machine/services.ts';
import { backends, lifetimes, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const ROWS = 100_000;
const DEAD_EVERY = 40;

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

const postgres = backends.find(({ name }) => name === 'Postgres')!;

test('pages, previews and groups of redrives read only dead letters', {
  skip: missing.postgres,
  timeout: 120_000,
}, async (t) => {
  const { database } = (await setup(t, postgres.open))!;
  // As they are after weeks: two accounts, one dead in forty, nearly all of them of one kind.
  await database.query(
    `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, sent_at, expires_at, closes_at, status, failure,
       created_at, updated_at, archived_at)
     SELECT 'm_' || md5(n::text), 'wx' || n % 2, 'm' || n, 'image', sent, sent + interval '72 h', sent + interval '74 h',
       CASE WHEN dead THEN 'dead' ELSE 'archived' END,
       CASE WHEN dead THEN jsonb_build_object('code', 'invalid_media_id', 'class', 'permanent_media', 'errcode',
         CASE WHEN n % (${DEAD_EVERY} * 50) = 0 THEN 46001 ELSE 40007 END) END,
       sent, sent, CASE WHEN NOT dead THEN sent END
     FROM (SELECT n, n % ${DEAD_EVERY} = 0 AS dead, $1::timestamptz - n * interval '20 s' AS sent
           FROM generate_series(1, ${ROWS}) AS n) AS rows`,
    [NOW],
  );
  await database.query(`ANALYZE ${SCHEMA}.media`);

  /** Rows of the media table that each SELECT of `work` has read at. */
  async function readsOf(work: (database: Database) => Promise<unknown>): Promise<number[]> {
    const reads: number[] = [];
    const watched = (queryable: Queryable): Queryable => ({
      query: async <Row extends Record<string, unknown>>(text: string, values?: unknown[]) => {
        if (/^\s*(SELECT|WITH dead)/.test(text) && text.includes(`${SCHEMA}.media`)) {
          const [row] = await queryable.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
            `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
            values,
          );
          const nodes = nodesOf(row!['QUERY PLAN'][0].Plan).filter(
            (node) => node['Relation Name'] === 'media',
          );
          assert.ok(nodes.length > 0);
          for (const node of nodes) assert.notEqual(node['Node Type'], 'Seq Scan', text);
          const seen = nodes.map(
            (node) => node['Actual Loops'] * (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)),
          );
          reads.push(seen.reduce((sum, count) => sum + count, 0));
        }
        return queryable.query<Row>(text, values);
      },
    });
    await work({
      ...database,
      ...watched(database),
      transaction: (inner) => database.transaction((transaction) => inner(watched(transaction))),
    });
    return reads;
  }
  const catalogueOf = (on: Database) => createCatalogue(on, SCHEMA, lifetimes);

  const dead = ROWS / DEAD_EVERY;
  const groups = await readsOf((on) => catalogueOf(on).stats.deadLetterGroups(100));
  assert.ok(groups[0]! <= 8, `groups: ${groups}`);

  for (const [name, filter, most] of [
    ['everything', {}, 10],
    ['an account', { account: ['wx0'] }, 10],
    ['an errcode', { errcode: [40007] }, dead],
    ['a rare errcode', { errcode: [46001] }, dead],
    ['a time of death', { failedFrom: '2026-04-25T00:00:00Z' }, dead],
  ] as const) {
    const request = { filter: { status: ['dead'] as const, ...filter }, rate: 20, actor: 'ops' };
    const preview = await readsOf((on) => catalogueOf(on).redrives.preview(request, NOW));
    assert.ok(preview[0]! <= dead, `preview of ${name}: ${preview}`);
    const { id } = await catalogueOf(database).redrives.create(request, NOW);
    const pages = await readsOf(async (on) => {
      for (let second = 1; second <= 3; second++) {
        await catalogueOf(on).redrives.runPage(id, new Date(NOW.getTime() + second * 1000));
      }
    });
    assert.equal(pages.length, 3);
    for (const read of pages) assert.ok(read <= most, `a page of ${name}: ${pages}`);
  }
});
