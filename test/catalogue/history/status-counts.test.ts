/** Counts by status are those of the rows again, whatever was done to the tables behind the triggers' back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idOf } from '../../../src/media.ts';
import { createRecounter } from '../../../src/pipeline/maintenance/recount.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { type Bundle, backends, setup } from '../backends.ts';

const A = 'wxaaaaaaaaaaaaaaaa';
const B = 'wxbbbbbbbbbbbbbbbb';
const never = new AbortController().signal;
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

const add = ({ catalogue }: Bundle, account: string, from: number, to: number) =>
  catalogue.media.insert(
    Array.from({ length: to - from }, (_, index) => ({
      account,
      mediaId: `media ${from + index}`,
      kind: 'image',
      sentAt: new Date(),
    })),
    new Date(),
    false,
  );

const byStatus = async ({ catalogue }: Bundle, account?: string) =>
  (await catalogue.stats.read(new Date(), account ? [account] : undefined)).byStatus;

describe('the counts by status', () => {
  for (const { name, skip, open } of backends) {
    it(`the counts by status are corrected after rows changed without the triggers, on ${name}`, {
      skip,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue, database } = bundle;
      await add(bundle, A, 0, 20);
      await add(bundle, B, 0, 5);
      assert.deepEqual(await catalogue.stats.recount(never), { corrected: 0, accounts: [] });
      // As a restore under a running program: rows are gone and counted, others are there and are not.
      await database.query(`DELETE FROM wma.media WHERE account = $1 AND id > $2`, [A, 'm_8']);
      await database.query('DELETE FROM wma.media_count WHERE account = $1', [B]);
      const [left] = await database.query<{ n: string }>(
        'SELECT count(*) AS n FROM wma.media WHERE account = $1',
        [A],
      );
      assert.deepEqual((await catalogue.stats.recount(never)).accounts, [A, B]);
      assert.equal((await byStatus(bundle, A)).pending, Number(left!.n));
      assert.equal((await byStatus(bundle, B)).pending, 5);
      assert.deepEqual(await catalogue.stats.recount(never), { corrected: 0, accounts: [] });
    });

    it(`the counts by status are never shown as negative, on ${name}`, { skip }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      await add(bundle, A, 0, 3);
      await bundle.database.query('TRUNCATE wma.media_count');
      const of = { id: idOf(A, 'media 0'), generation: 0, startedAt: new Date(), endedAt: new Date() };
      await bundle.catalogue.outcomes.markFailed(of, { code: 'x', class: 'unknown' }, { to: 'dead' }, true);
      assert.deepEqual(await byStatus(bundle), { pending: 0, archived: 0, dead: 1, expired: 0, erased: 0 });
      await bundle.catalogue.stats.recount(never);
      assert.deepEqual(await byStatus(bundle), { pending: 2, archived: 0, dead: 1, expired: 0, erased: 0 });
    });

    it(`the counts by status stay right when items are written during a recount, on ${name}`, {
      skip,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      await add(bundle, A, 0, 200);
      await bundle.database.query('DELETE FROM wma.media_count');
      const writing = (async () => {
        for (let from = 200; from < 400; from += 20) await add(bundle, A, from, from + 20);
      })();
      for (let times = 0; times < 5; times++) await bundle.catalogue.stats.recount(never);
      await writing;
      assert.equal((await byStatus(bundle)).pending, 400);
    });

    it(`the counts by status are recounted by one of all processes once a day, on ${name}`, {
      skip,
    }, async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue } = bundle;
      await add(bundle, A, 0, 3);
      await bundle.database.query('DELETE FROM wma.media_count');
      let now = new Date();
      const clock = { now: () => now, sleep: systemClock.sleep };
      const [one, other] = [
        createRecounter({ catalogue, clock, log, metrics: createMetrics() }),
        createRecounter({ catalogue, clock, log, metrics: createMetrics() }),
      ];
      assert.equal(await one.recount(never), 3);
      assert.equal(await one.recount(never), undefined);
      assert.equal(await other.recount(never), undefined);
      now = new Date(now.getTime() + 86_400_000);
      assert.equal(await other.recount(never), 0);
      now = new Date(now.getTime() + 86_400_000);
      const cut = AbortSignal.abort(new Error('closing'));
      await assert.rejects(one.recount(cut), /closing/);
      assert.equal(await other.recount(never), 0, 'what was not finished is done by the next');
    });
  }
});
