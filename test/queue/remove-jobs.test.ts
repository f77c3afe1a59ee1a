/** Removing jobs leaves nothing of a media item in the queue. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Consumer, JobHandler } from '../../src/queue/consumer.ts';
import { toJobData } from '../../src/queue/job.ts';
import { openBelow, openQueue, PLACES, type Place } from './backends.ts';
import { dumpQueue } from './dump.ts';
import { createHandled, entryOf, eventually, failed, referenceOf } from './handled.ts';

const FAST = { lockDurationMs: 1_000, stalledIntervalMs: 500, internalRetryMs: 50 };

async function setup(t: TestContext, place: Place) {
  const below = await openBelow(place);
  const queue = await openQueue(below);
  const consumers: Consumer[] = [];
  t.after(async () => {
    await Promise.all(consumers.map((consumer) => consumer.close(0)));
    await queue.close();
    await below.close();
  });
  const consume = async (handler: JobHandler, concurrency: number) => {
    const consumer = await queue.consume(handler, { ...FAST, concurrency });
    consumers.push(consumer);
    return consumer;
  };
  return { below, queue, consume, dump: () => dumpQueue(below.backend) };
}

for (const { name, skip, find } of PLACES) {
  describe(`removing jobs on ${name}`, { skip }, () => {
    const on = (what: string, run: (t: TestContext, place: Place) => Promise<void>): void =>
      void test(what, async (t) => {
        const place = await find(t);
        if (place) await run(t, place);
      });

    on(
      'removes waiting, delayed, completed and failed jobs of every generation, and no job of another item',
      async (t, place) => {
        const { below, queue, consume, dump } = await setup(t, place);
        const handled = createHandled(({ generation }) => {
          if (generation === 1) return { action: 'finish', result: 'archived' };
          if (generation === 2) return { action: 'fail', failure: failed('too_large') };
          return { action: 'requeue', delayMs: 600_000 };
        });
        const consumer = await consume(handled.handler, 2);
        await queue.add([entryOf('gone', 1), entryOf('gone', 2), entryOf('gone', 3), entryOf('stays', 2)]);
        await eventually('three ended, one delayed', async () => {
          const { waiting, active, failed, delayed } = await queue.counts();
          return waiting + active === 0 && failed === 2 && delayed === 1;
        });
        await consumer.close(1_000);
        const { id } = entryOf('gone');
        await queue.add([entryOf('gone', 4)]);
        await below.addForeign({ data: toJobData(referenceOf('gone')), jobId: id });
        assert.ok((await dump()).includes('"gone') || (await dump()).includes('\\"gone'), 'it was there');
        assert.deepEqual(await queue.remove([{ id, generation: 4 }]), []);
        const after = await dump();
        assert.doesNotMatch(after, /mediaId\W+gone/);
        assert.match(after, /mediaId\W+stays/);
        assert.deepEqual(await queue.remove([{ id, generation: 4 }]), [], 'idempotent');
        assert.deepEqual(await queue.counts(), {
          waiting: 0,
          active: 0,
          delayed: 0,
          completed: 0,
          failed: 1,
        });
      },
    );

    on('empties an active job, returns its item, and removes it once it has ended', async (t, place) => {
      const { queue, consume, dump } = await setup(t, place);
      const release = Promise.withResolvers<void>();
      const handled = createHandled(async () => {
        await release.promise;
        return { action: 'finish', result: 'superseded', removeOnComplete: true };
      });
      await consume(handled.handler, 1);
      const entry = entryOf('active');
      await queue.add([entry]);
      await handled.until(1);
      assert.deepEqual(await queue.remove([entry]), [entry.id]);
      assert.doesNotMatch(await dump(), /mediaId\W+active/);
      release.resolve();
      await eventually('it has ended', async () => (await queue.remove([entry])).length === 0);
      const counts = await queue.counts();
      assert.deepEqual([counts.active, counts.completed], [0, 0]);
    });
  });
}
