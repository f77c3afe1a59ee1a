/** The history equals a count of what happened, however it was merged, and however many processes wrote and merged at once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHistory } from '../../../src/catalogue/history/history.ts';
import { idOf } from '../../../src/media.ts';
import { type Bundle, backends, SCHEMA, setup } from '../backends.ts';
import { STORED } from '../items.ts';
import { createRandomDay, DAY_MS, MINUTE_MS } from './random-day.ts';

const A = 'wxaaaaaaaaaaaaaaaa';
const B = 'wxbbbbbbbbbbbbbbbb';
const C = 'wxcccccccccccccccc';
const HOUR_MS = 60 * MINUTE_MS;
/** Before any clock of a test machine. */
const START = new Date('2026-05-01T00:00:00Z');
const never = new AbortController().signal;

const rowsOf = ({ database }: Bundle, table: 'history_minute' | 'history_hour') =>
  database.query<{ at: Date; account: string; shard?: number }>(
    `SELECT * FROM ${SCHEMA}.${table} ORDER BY at, account`,
  );
const withoutTimes = <T extends { at: Date }>(points: readonly T[]) =>
  points.map(({ at: _, ...point }) => point);
const insert = ({ catalogue }: Bundle, account: string, names: readonly string[], now: Date) =>
  catalogue.media.insert(
    names.map((mediaId) => ({ account, mediaId, kind: 'image', sentAt: now })),
    now,
    false,
  );

for (const { name, skip, open } of backends) {
  describe(`the history on ${name}`, { skip }, () => {
    it('equals a count of a random day of work, before, while and after it is merged', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue } = bundle;
      const day = createRandomDay(bundle, 7, [A, B, C]);
      await day.live(START, 400);
      const compare = async (what: string, steps: readonly number[]) => {
        for (const stepMs of steps) {
          for (const [accounts, included] of [
            [undefined, [A, B, C]],
            [[B], [B]],
          ] as const) {
            const range = { from: START, stepMs, count: Math.ceil((2 * DAY_MS) / stepMs) };
            const points = await catalogue.history.read(range, accounts);
            const expected = points.map(({ at }) =>
              day.recount(at.getTime(), at.getTime() + stepMs, included),
            );
            assert.deepEqual(withoutTimes(points), expected, `${what}, steps of ${stepMs / MINUTE_MS} min`);
          }
        }
      };
      await compare('as written', [5 * MINUTE_MS, HOUR_MS]);
      assert.ok((await catalogue.history.merge(new Date(START.getTime() + DAY_MS), never)) >= 0);
      await compare('minutes merged', [5 * MINUTE_MS, HOUR_MS, DAY_MS]);
      // Only the first half of the day is old enough for hours.
      await catalogue.history.merge(new Date(START.getTime() + 2.5 * DAY_MS), never);
      assert.ok((await rowsOf(bundle, 'history_hour')).length > 0);
      assert.ok((await rowsOf(bundle, 'history_minute')).length > 0);
      await compare('half of the day in hours', [HOUR_MS, 3 * HOUR_MS, DAY_MS]);
      await catalogue.history.merge(new Date(START.getTime() + 6 * DAY_MS), never);
      assert.deepEqual(await rowsOf(bundle, 'history_minute'), []);
      await compare('all in hours', [HOUR_MS, DAY_MS]);
      assert.equal(await catalogue.history.merge(new Date(START.getTime() + 6 * DAY_MS), never), 0);
    });

    it('shows the backlog at the end of a period that is long over', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      await insert(bundle, A, ['1', '2', '3'], START);
      await insert(bundle, A, ['4', '5'], new Date(START.getTime() + 5 * DAY_MS));
      const read = (from: number, count: number) =>
        bundle.catalogue.history.read({
          from: new Date(START.getTime() + from * DAY_MS),
          stepMs: DAY_MS,
          count,
        });
      assert.deepEqual(
        (await read(-2, 4)).map(({ backlog, received }) => [backlog, received]),
        [
          [0, 0],
          [0, 0],
          [3, 3],
          [3, 0],
        ],
      );
      assert.deepEqual(
        (await read(4, 2)).map(({ backlog }) => backlog),
        [3, 5],
      );
    });

    it('has a row for each step of a catalogue without items', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const points = await bundle.catalogue.history.read({ from: START, stepMs: HOUR_MS, count: 2 }, [A]);
      const nothing = { received: 0, archived: 0, dead: 0, expired: 0, bytes: 0, backlog: 0 };
      assert.deepEqual(points, [
        { at: START, ...nothing },
        { at: new Date(START.getTime() + HOUR_MS), ...nothing },
      ]);
    });

    it('is never negative, and right again after a recount, when the counts were lost', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue, database } = bundle;
      await insert(bundle, A, ['1', '2', '3'], START);
      await database.query(`TRUNCATE ${SCHEMA}.media_count`);
      const backlog = async () => {
        const from = new Date(START.getTime() - HOUR_MS);
        return (await catalogue.history.read({ from, stepMs: HOUR_MS, count: 2 })).map(
          (point) => point.backlog,
        );
      };
      assert.deepEqual(await backlog(), [0, 0]);
      await catalogue.stats.recount(never);
      assert.deepEqual(await backlog(), [0, 3]);
    });

    it('takes the time of a process whose clock is a day ahead for now, at insert and at change', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue } = bundle;
      const ahead = new Date(Date.now() + DAY_MS);
      await insert(bundle, A, ['1'], ahead);
      const id = idOf(A, '1');
      await catalogue.outcomes.markArchived({ id, generation: 0, startedAt: ahead, endedAt: ahead }, STORED);
      const now = await catalogue.timestamps.now();
      for (const { at } of await rowsOf(bundle, 'history_minute'))
        assert.ok(at <= now, `${at} is after ${now}`);
      const from = new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS - HOUR_MS);
      const points = await catalogue.history.read({ from, stepMs: 2 * HOUR_MS, count: 1 });
      assert.deepEqual(withoutTimes(points), [
        { received: 1, archived: 1, dead: 0, expired: 0, bytes: STORED.sizeBytes, backlog: 0 },
      ]);
    });

    it('counts an adopted object as received and archived when it is adopted', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue } = bundle;
      const reference = { account: A, mediaId: 'found', kind: 'image', sentAt: START } as const;
      const found = { id: idOf(A, 'found'), reference, stored: STORED, storedAt: START };
      const adoptedAt = new Date(START.getTime() + DAY_MS);
      await catalogue.objects.adopt(found, { actor: 'test', reason: 'test' }, adoptedAt);
      await catalogue.objects.adopt(found, { actor: 'test', reason: 'test' }, adoptedAt);
      const points = await catalogue.history.read({ from: START, stepMs: DAY_MS, count: 2 });
      assert.deepEqual(
        points.map(({ received, archived, bytes, backlog }) => [received, archived, bytes, backlog]),
        [
          [0, 0, 0, 0],
          [1, 1, STORED.sizeBytes, 0],
        ],
      );
    });

    it('loses nothing when sessions write one minute while two processes merge it', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue } = bundle;
      const later = new Date(START.getTime() + 10 * MINUTE_MS);
      const muchLater = new Date(START.getTime() + 4 * DAY_MS);
      const write = async (session: number) => {
        for (let index = 0; index < 25; index++) {
          const mediaId = `${session}-${index}`;
          await insert(bundle, index % 2 ? A : B, [mediaId], START);
          const of = {
            id: idOf(index % 2 ? A : B, mediaId),
            generation: 0,
            startedAt: START,
            endedAt: START,
          };
          await catalogue.outcomes.markArchived(of, { ...STORED, sizeBytes: 10 });
        }
      };
      let isOver = false;
      const merging = [later, muchLater].map(async (now) => {
        while (!isOver) await catalogue.history.merge(now, never);
      });
      await Promise.all([1, 2, 3, 4].map(write)).finally(() => {
        isOver = true;
      });
      await Promise.all(merging);
      const totals = async () =>
        withoutTimes(await catalogue.history.read({ from: START, stepMs: HOUR_MS, count: 1 }));
      const all = [{ received: 100, archived: 100, dead: 0, expired: 0, bytes: 1000, backlog: 0 }];
      assert.deepEqual(await totals(), all);
      await catalogue.history.merge(muchLater, never);
      assert.deepEqual(await totals(), all);
      assert.equal((await rowsOf(bundle, 'history_hour')).length, 2);
    });

    it('is unchanged where a process is killed while it merges', async (t) => {
      const bundle = await setup(t, open);
      if (!bundle) return;
      const { catalogue, database } = bundle;
      await insert(bundle, A, ['1', '2'], START);
      const before = await rowsOf(bundle, 'history_minute');
      const muchLater = new Date(START.getTime() + 4 * DAY_MS);
      // The end of a session rolls its transaction back.
      await assert.rejects(
        database.transaction(async (transaction) => {
          const history = createHistory({ ...database, query: transaction.query }, SCHEMA);
          assert.ok((await history.merge(muchLater, never)) > 0);
          throw new Error('killed');
        }),
        /killed/,
      );
      assert.deepEqual(await rowsOf(bundle, 'history_minute'), before);
      assert.deepEqual(await rowsOf(bundle, 'history_hour'), []);
      await assert.rejects(
        catalogue.history.merge(muchLater, AbortSignal.abort(new Error('closing'))),
        /closing/,
      );
      await catalogue.history.merge(muchLater, never);
      assert.deepEqual(await rowsOf(bundle, 'history_minute'), []);
    });
  });
}
