/** Dead letters are redriven once each, although processes stop or die and redrives overlap. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RedriveFilter } from '../../src/catalogue/redrive/filter.ts';
import type { RedriveRequest } from '../../src/catalogue/redrive/redrive-row.ts';
import type { Reference } from '../../src/media.ts';
import { sizeFor } from '../machine/selection.ts';
import {
  A,
  B,
  type Fixture,
  idOfInput,
  itOnce,
  lifetimeMs,
  type Program,
  receive,
  SHAPES,
  until,
  untilEnded,
} from './shapes.ts';

/** WeChat denies the item once and then returns it, as after a corrected mistake. */
const DENIED_ONCE = { fault: { name: 'invalid', times: 1 } } as const;
/** A busy machine needs a minute for 200 media. */
const LONG_MS = 120_000;
const MANY = sizeFor(60, 200);

for (const shape of SHAPES) {
  describe(`redrives with ${shape.name}`, { skip: shape.skip, timeout: 600_000 }, () => {
    const once = itOnce(shape);
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      fixture = await shape.open();
      program = await fixture.start();
    });
    after(() => fixture?.close());

    async function dead(
      count: number,
      wish: Parameters<typeof receive>[1] = DENIED_ONCE,
    ): Promise<Reference[]> {
      const inputs = Array.from({ length: count }, () => receive(fixture.simulator, { account: B, ...wish }));
      await program.parts.accept(inputs);
      for (const row of await untilEnded(program, inputs.map(idOfInput), LONG_MS))
        assert.equal(row.status, 'dead');
      return inputs;
    }
    const ask = (wish: Partial<RedriveRequest> = {}, filter: Partial<RedriveFilter> = {}) =>
      program.parts.catalogue.redrives.create(
        { filter: { status: ['dead'], account: [B], ...filter }, rate: 1000, actor: 'ops', ...wish },
        program.parts.clock.now(),
      );
    const get = async (id: string) => (await program.parts.catalogue.redrives.get(id))!;
    const over = (id: string) =>
      until(
        'the end of the redrive',
        async () => {
          const redrive = await get(id);
          return redrive.state !== 'running' && redrive;
        },
        LONG_MS,
      );
    /** Archived by one redrive; with two attempts that both finished it, the count would be higher. */
    async function assertOnce(inputs: readonly Reference[]): Promise<void> {
      for (const row of await untilEnded(program, inputs.map(idOfInput), LONG_MS)) {
        assert.deepEqual([row.status, row.redrives], ['archived', 1], JSON.stringify(row));
        // One, where a worker lost its job after the last byte and the object was recognised.
        assert.ok(row.attempts <= 2, JSON.stringify(row));
      }
    }

    it(`of ${MANY} dead letters whose cause is mended: all archived, each once, each with one object`, async () => {
      const inputs = await dead(MANY);
      const { id, matched } = await ask({ reason: 'mended' });
      assert.equal(matched, MANY);
      const { done, skipped, total } = await over(id);
      assert.deepEqual([done, skipped, total], [MANY, 0, MANY]);
      await assertOnce(inputs);
      const keys = [...(await fixture.objects(program)).keys()];
      assert.equal(keys.filter((key) => key.includes(B)).length, MANY);
    });

    it('continues in another process when one ended in the middle', async () => {
      const inputs = await dead(40);
      const { id } = await ask({ rate: 20 });
      await until('a beginning', async () => (await get(id)).done > 0);
      const before = await get(id);
      assert.equal(before.state, 'running', `${before.done} of 40`);
      await program.close();
      program = await fixture.start();
      const { done, skipped } = await over(id);
      assert.deepEqual([done, skipped], [40, 0]);
      await assertOnce(inputs);
    });

    once('stops on request, and redrives nothing more', async () => {
      const inputs = await dead(30);
      const { id } = await ask({ rate: 4 });
      await until('a beginning', async () => (await get(id)).done > 0);
      assert.ok(await program.parts.catalogue.redrives.stop(id, 'ops', program.parts.clock.now()));
      const { done } = await get(id);
      assert.ok(done < 30, `${done} of 30`);
      // A later one is done, so the first had time enough.
      const rest = await ask({}, { account: [A] });
      await over(rest.id);
      const rows = await Promise.all(
        inputs.map((input) => program.parts.catalogue.media.get(idOfInput(input))),
      );
      assert.equal(rows.filter((row) => row?.redrives === 1).length, done);
      assert.equal(rows.filter((row) => row?.status === 'dead').length, 30 - done);
      assert.deepEqual((await get(id)).done, done);
      await over((await ask()).id);
      await assertOnce(inputs);
    });

    it('of the same media by two at once takes each once', async () => {
      const inputs = await dead(60);
      const both = await Promise.all([ask(), ask({}, { errcode: [40007] })]);
      const ends = await Promise.all(both.map(({ id }) => over(id)));
      assert.equal(
        ends.reduce((sum, { done }) => sum + done, 0),
        60,
      );
      for (const { done, skipped, total } of ends) assert.equal(done + skipped, total);
      await assertOnce(inputs);
    });

    once(
      'by force of expired media asks WeChat once more: served it is archived, refused it is expired again',
      async () => {
        const createdAt = new Date(program.parts.clock.now().getTime() - lifetimeMs - 1000);
        const gone = receive(fixture.simulator, { account: A, createdAt });
        const served = receive(fixture.simulator, { account: A, fault: { name: 'invalid', times: 1 } });
        await program.parts.accept([gone, served]);
        const ids = [gone, served].map(idOfInput);
        const [first] = await untilEnded(program, ids, LONG_MS);
        assert.equal(first?.status, 'expired');
        await program.parts.database.query(`UPDATE wma.media SET status = 'expired' WHERE id = $1`, [ids[1]]);
        const { id, matched } = await ask({}, { account: [A], status: ['dead', 'expired'] });
        assert.equal(matched, 2);
        assert.equal((await over(id)).done, 2);
        const rows = await untilEnded(program, ids, LONG_MS);
        assert.deepEqual(
          rows.map((row) => [row.status, row.redrives]),
          [
            ['expired', 1],
            ['archived', 1],
          ],
        );
        const shortly = await ask({}, { account: [A] });
        assert.deepEqual([shortly.matched, (await get(id)).done], [0, 2], 'nothing loops');
      },
    );
  });
}
