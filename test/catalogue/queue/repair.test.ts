/** What repair costs and that many may do it: on every database, beside a catalogue that is large in comparison. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Catalogue, createCatalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { createSweeper } from '../../../src/pipeline/maintenance/sweeper.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { backends, lifetimes, SCHEMA, setup } from '../backends.ts';

const ARCHIVED = 20_000;
const CLAIMED = 200;
const never = new AbortController().signal;

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

for (const backend of backends) {
  describe(`repair on ${backend.name}`, { skip: backend.skip, timeout: 120_000 }, () => {
    const closing: (() => unknown)[] = [];
    let database: Database;
    let catalogue: Catalogue;
    const statements: { text: string; values: unknown[] }[] = [];
    const cleaning = {
      after: (step: () => unknown) => void closing.push(step),
      skip: () => assert.fail('Postgres is available'),
    } as unknown as Parameters<typeof setup>[0];

    before(async () => {
      ({ database } = (await setup(cleaning, backend.open))!);
      const listening: Database = {
        ...database,
        query: (text, values = []) => {
          statements.push({ text, values });
          return database.query(text, values);
        },
      };
      catalogue = createCatalogue(listening, SCHEMA, lifetimes);
      await fill(database);
    });
    after(async () => {
      for (const step of closing.toReversed()) await step();
    });

    /** Rows that were touched for the statement that `ask` makes, and how it was done. */
    async function costOf(ask: () => Promise<unknown>): Promise<{ nodes: string[]; touched: number }> {
      statements.length = 0;
      await ask();
      assert.equal(statements.length, 1);
      const { text, values } = statements[0]!;
      const rows = await database.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        values,
      );
      const nodes: string[] = [];
      let touched = 0;
      const visit = (plan: Plan): void => {
        nodes.push(`${plan['Node Type']} ${plan['Relation Name'] ?? ''}`.trim());
        if (plan['Relation Name'] === 'media')
          touched = Math.max(touched, (plan['Actual Rows'] ?? 0) + (plan['Rows Removed by Filter'] ?? 0));
        for (const under of plan.Plans ?? []) visit(under);
      };
      visit(rows[0]!['QUERY PLAN'][0].Plan);
      return { nodes, touched };
    }

    const soon = new Date(Date.now() + 60_000);
    const lookups: [string, (catalogue: Catalogue) => Promise<unknown>, number][] = [
      ['for lost jobs', (it) => it.queue.listClaimedBefore(soon, 1_000), CLAIMED],
      ['for what has run out', (it) => it.outcomes.listExpiring(soon, 0, 1_000), 0],
      ['for uploads left open', (it) => it.uploads.listOpen(soon, 100), 0],
      ['for what waits no longer', (it) => it.queue.promote(soon, 2_000), 0],
      ['for a row each of a sample', (it) => it.objects.sampleArchived([{ from: 'm_4', to: 'm_5' }], {}), 1],
      ['for the rows of a page of objects', (it) => it.objects.rowsById(['m_1', 'm_2']), 2],
    ];
    for (const [name, lookUp, most] of lookups) {
      it(`finds ${name} by an index and touches no other rows`, async () => {
        const { nodes, touched } = await costOf(() => lookUp(catalogue));
        assert.ok(!nodes.includes('Seq Scan media'), nodes.join(' > '));
        assert.ok(touched <= most, `${touched} rows were touched, by ${nodes.join(' > ')}`);
      });
    }

    it('requeues each lost row once, with any number of sweepers at work', async () => {
      const freed: number[] = [];
      const sweepers = Array.from({ length: 5 }, () =>
        createSweeper(
          {
            // Leases that have all lapsed: the worst there can be.
            catalogue: { ...catalogue, leases: { take: async () => true, drop: async () => undefined } },
            queue: { lost: async (ids) => [...ids], misplaced: async () => [] },
            store: { bucket: 'b', abortMultipart: async () => undefined },
            stored: { adopt: async () => false },
            metrics: createMetrics(),
            clock: systemClock,
            lifetimes,
            log: { info: () => undefined, warn: () => undefined, error: () => undefined },
            windowRows: 1_000,
            onFreed: () => undefined,
          },
          { claimAgeMs: -60_000 },
        ),
      );
      const rounds = await Promise.all(sweepers.map((sweeper) => sweeper.sweep(never)));
      for (const round of rounds) freed.push(round!.freed);
      assert.equal(
        freed.reduce((sum, n) => sum + n, 0),
        CLAIMED,
        JSON.stringify(freed),
      );
      const stages = await database.query<{ stage: number; generation: number; n: string }>(
        `SELECT stage, generation, count(*) AS n FROM ${SCHEMA}.media WHERE status = 'pending' GROUP BY 1, 2`,
      );
      assert.deepEqual(
        stages.map(({ stage, generation, n }) => [stage, generation, Number(n)]),
        [[1, 1, CLAIMED]],
      );
      // A sweeper that looked before the row was claimed again does not free it a second time.
      const { claimed } = await catalogue.queue.claim(
        [{ account: 'wx1', capacity: CLAIMED }],
        new Date(),
        CLAIMED,
      );
      assert.equal(claimed.length, CLAIMED);
      assert.equal(await catalogue.queue.requeue(claimed.map(({ id }) => ({ id, generation: 1 }))), 0);
    });
  });
}

async function fill(database: Database): Promise<void> {
  const columns = 'id, account, media_id, kind, sent_at, expires_at, closes_at, created_at, updated_at';
  const values = `'m_' || left(encode(sha256(convert_to($1 || n, 'UTF8')), 'hex'), 32), 'wx1', $1 || n, 'image',
    now(), now() + interval '72 h', now() + interval '74 h', now(), now()`;
  await database.query(
    `INSERT INTO ${SCHEMA}.media (${columns}, status, archived_at)
     SELECT ${values}, 'archived', now() FROM generate_series(1, ${ARCHIVED}) AS n`,
    ['archived-'],
  );
  await database.query(
    `INSERT INTO ${SCHEMA}.media (${columns}, status, stage, generation, claimed_at)
     SELECT ${values}, 'pending', 2, 1, now() FROM generate_series(1, ${CLAIMED}) AS n`,
    ['claimed-'],
  );
  await database.query(`ANALYZE ${SCHEMA}.media`);
}
