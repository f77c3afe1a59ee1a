/** A queue or database that loses data, stops or goes away: nothing that was accepted is lost. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { DatabaseUnavailableError } from '../../src/catalogue/database/database.ts';
import { jobIdOf } from '../../src/queue/job.ts';
import { type Fixture, type Program, receive, SHAPES, sha256Of, until, untilEnded } from './shapes.ts';

/** WeChat hangs up after five seconds. */
const ACCEPT_LIMIT_MS = 5_000;
const HEAL_LIMIT_MS = 60_000;
/** How long it is watched that nothing happens; calls that go on would be dozens. */
const WATCHED_MS = 1_000;

for (const shape of SHAPES) {
  describe(`healing with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      fixture = await shape.open({ private: true });
      program = await fixture.start();
    });
    after(() => fixture?.close());

    const many = (count: number) => Array.from({ length: count }, () => receive(fixture.simulator));

    /** Each archived with the bytes it was sent with. */
    async function allArchived(inputs: ReturnType<typeof many>, ids: readonly string[]): Promise<void> {
      const rows = await untilEnded(program, ids, HEAL_LIMIT_MS);
      for (const [index, row] of rows.entries()) {
        assert.equal(row.status, 'archived', JSON.stringify(row.failure));
        assert.equal(row.sha256, await sha256Of(fixture.simulator, inputs[index]!));
      }
    }

    const claimed = async () =>
      (await program.parts.database.query('SELECT id FROM wma.media WHERE stage = 2')).length;
    const accept = async (inputs: ReturnType<typeof many>) =>
      (await program.parts.accept(inputs)).map(({ id }) => id);

    const redisSays = async (command: string, ...words: string[]) => {
      const redis = new Redis(fixture.redis!.url, { maxRetriesPerRequest: 1 });
      await redis.call(command, ...words);
      redis.disconnect();
    };

    const oneArchived = async (ids: readonly string[]) =>
      (
        await program.parts.database.query(
          `SELECT id FROM wma.media WHERE status = 'archived' AND id = ANY ($1) LIMIT 1`,
          [ids],
        )
      ).length === 1;

    it('dispatches again what was in a queue that was purged', async () => {
      // Slow, so that most of them stand in the queue, some already taken.
      const inputs = Array.from({ length: 30 }, () =>
        receive(fixture.simulator, { fault: { name: 'slow', amount: 400 } }),
      );
      const ids = await accept(inputs);
      await until('a filled queue', async () => (await claimed()) >= 10);
      await fixture.purge(program);
      await allArchived(inputs, ids);
      assert.equal((await fixture.objects(program)).size, 30);
    });

    it('dispatches again one item whose job was removed by hand', async () => {
      // A job can be removed only while no worker runs it.
      await program.close();
      program = await fixture.start({ consume: false });
      const inputs = many(1);
      const [id] = await accept(inputs);
      const job = await until('the job', () => program.board.getJob(jobIdOf(id!, 1)));
      assert.ok(job);
      assert.equal(await program.board.remove(jobIdOf(id!, 1)), 1);
      await until('the next dispatch', () => program.board.getJob(jobIdOf(id!, 2)));
      await program.consume();
      await allArchived(inputs, [id!]);
    });

    it('dispatches again an item whose job finished without an outcome', async () => {
      await program.close();
      program = await fixture.start({ consume: false });
      const inputs = many(6);
      const ids = await accept(inputs);
      const seen = new Set<string>();
      // A worker of another make, or of a release with a fault: it takes jobs, and the row learns nothing.
      const careless = await program.parts.queue.consume(
        async (job) => {
          seen.add(job.id);
          return seen.size % 2
            ? { action: 'finish', result: 'nothing' }
            : { action: 'fail', failure: { code: 'internal', class: 'unknown' } };
        },
        { concurrency: 2 },
      );
      await until('all taken', async () => seen.size === 6);
      await careless.close(1_000);
      await program.consume();
      await allArchived(inputs, ids);
    });

    it('dispatches again what the queue failed because its workers died too often', async () => {
      await program.close();
      program = await fixture.start({ env: { FETCH_IDLE_TIMEOUT: '1m' } });
      // The first download stalls in the middle until it is ended.
      const input = receive(fixture.simulator, { kind: 'image', fault: { name: 'stall', times: 1 } });
      const [id] = await accept([input]);
      await until(
        'a try',
        async () => (await program.parts.catalogue.media.get(id!))?.waiting?.reason === 'running',
      );
      await fixture.exhaustStalls(program, jobIdOf(id!, 1));
      await fixture.stealLock(program, jobIdOf(id!, 1));
      await allArchived([input], [id!]);
      const job = await program.board.getJob(jobIdOf(id!, 1));
      assert.match(job!.failedReason!, /stalled more than allowable limit/);
      const [row] = await program.parts.database.query('SELECT generation FROM wma.media WHERE id = $1', [
        id,
      ]);
      assert.deepEqual(row, { generation: 2 }, 'it was dispatched again');
    });

    if (shape.name !== SHAPES[0]!.name) {
      it('repairs with many sweepers as with one: nothing is dispatched twice', async () => {
        await program.close();
        program = await fixture.start({ consume: false });
        const others = await Promise.all([1, 2].map(() => fixture.start({ consume: false })));
        const inputs = many(40);
        const ids = await accept(inputs);
        await until('a filled queue', async () => (await claimed()) >= 16);
        await fixture.purge(program);
        await program.consume();
        await others[0]!.consume();
        await allArchived(inputs, ids);
        for (const other of others) await other.close();
        const rows = await untilEnded(program, ids);
        assert.deepEqual(new Set(rows.map((row) => row.attempts)), new Set([1]));
      });
    }

    if (shape.name.includes('Redis')) {
      it('repairs what a killed Redis lost that comes back as it was some seconds before', async () => {
        await program.close();
        program = await fixture.start();
        const slow = () =>
          Array.from({ length: 15 }, () =>
            receive(fixture.simulator, { fault: { name: 'slow', amount: 300 } }),
          );
        const before = slow();
        const ids = await accept(before);
        await until('a filled queue', async () => (await claimed()) >= 10);
        // What is written from here on is what an everysec that lost its seconds would lack.
        await redisSays('CONFIG', 'SET', 'appendonly', 'no');
        const after = slow();
        ids.push(...(await accept(after)));
        await until('the first archived', () => oneArchived(ids));
        await fixture.redis!.kill();
        await fixture.redis!.start();
        await allArchived([...before, ...after], ids);
        const keys = [...(await fixture.objects(program)).keys()];
        assert.equal(keys.filter((key) => ids.some((id) => key.includes(id))).length, 30);
      });

      it('repairs the queue when Redis comes back empty', async () => {
        const inputs = Array.from({ length: 20 }, () =>
          receive(fixture.simulator, { fault: { name: 'slow', amount: 300 } }),
        );
        const ids = await accept(inputs);
        await until('a filled queue', async () => (await claimed()) >= 10);
        await redisSays('FLUSHALL');
        await fixture.redis!.kill();
        await fixture.redis!.start();
        await allArchived(inputs, ids);
      });

      it('dispatches again what was purged by hand', async () => {
        const inputs = Array.from({ length: 20 }, () =>
          receive(fixture.simulator, { fault: { name: 'slow', amount: 300 } }),
        );
        const ids = await accept(inputs);
        await until('a filled queue', async () => (await claimed()) >= 10);
        await program.board.obliterate({ force: true });
        await allArchived(inputs, ids);
      });

      it('accepts at once while Redis is away, and archives when it is back', async () => {
        const before = many(20);
        const idsBefore = await accept(before);
        await fixture.redis!.stop();
        const during = many(20);
        const idsDuring: string[] = [];
        for (const input of during) {
          const startedAt = performance.now();
          idsDuring.push(...(await accept([input])));
          const tookMs = performance.now() - startedAt;
          assert.ok(tookMs < ACCEPT_LIMIT_MS, `accepting took ${tookMs} ms`);
        }
        await fixture.redis!.start();
        await allArchived([...before, ...during], [...idsBefore, ...idsDuring]);
      });
    }

    if (shape.name.includes('Postgres')) {
      it('refuses while Postgres is away, and loses nothing of what it accepted before', async () => {
        const inputs = Array.from({ length: 30 }, () =>
          receive(fixture.simulator, { fault: { name: 'slow', amount: 200 } }),
        );
        const ids = await accept(inputs);
        // Any of them: of those sent in one second, the id decides who goes first.
        await until('the first archived', () => oneArchived(ids));
        await fixture.postgres!.stop();
        const startedAt = performance.now();
        await assert.rejects(accept(many(1)), DatabaseUnavailableError);
        assert.ok(performance.now() - startedAt < ACCEPT_LIMIT_MS);
        await until('a try that cannot be recorded', async () =>
          fixture.logLines.some((line) => line.includes('catalogue unavailable, requeueing jobs')),
        );
        const asked = fixture.simulator.requestLog.report().totals.mediaRequests;
        await wait(WATCHED_MS);
        const more = fixture.simulator.requestLog.report().totals.mediaRequests - asked;
        // Those that were under way.
        assert.ok(more <= 4, `${more} calls of WeChat whose outcome could not be kept`);
        await fixture.postgres!.start();
        await allArchived(inputs, ids);
        const attempts = (await untilEnded(program, ids)).map((row) => row.attempts);
        assert.deepEqual(new Set(attempts), new Set([1]), 'an unavailable catalogue spends no attempt');
      });

      it('is notified of new rows again after Postgres was away', async () => {
        const listening = async () =>
          (
            await program.parts.database.query(
              `SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN "wma_due"%'`,
            )
          ).length;
        await until('the listener', async () => (await listening()) === 1);
        await fixture.postgres!.kill();
        await fixture.postgres!.start();
        await until('the listener', async () => (await listening().catch(() => 0)) === 1);
      });
    }

    it('closes cleanly', async () => {
      await program.close();
      const unclean = fixture.logLines.filter((line) => line.includes('shutdown: step failed'));
      assert.deepEqual(unclean, []);
    });
  });
}
