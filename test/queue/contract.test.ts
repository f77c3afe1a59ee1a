/** The contract of the queue on every backend; what does not depend on the backend, on one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Reference } from '../../src/media.ts';
import { idOf } from '../../src/media.ts';
import type { ConsumeOptions, JobHandler } from '../../src/queue/consumer.ts';
import { jobIdOf } from '../../src/queue/job.ts';
import { JobAbortedError } from '../../src/queue/job-result.ts';
import { keepsEnded, openBelow, openQueue, PLACES, type Place } from './backends.ts';
import { createHandled, entryOf, eventually, failed, finish, isIdle, untilAborted } from './handled.ts';

const FAST: ConsumeOptions = {
  concurrency: 4,
  lockDurationMs: 1_000,
  stalledIntervalMs: 500,
  internalRetryMs: 50,
};

async function setup(t: TestContext, place: Place) {
  const below = await openBelow(place);
  const queue = await openQueue(below);
  const consumers: { close(graceMs: number): Promise<void> }[] = [];
  t.after(async () => {
    await Promise.all(consumers.map((consumer) => consumer.close(0)));
    await queue.close();
    await below.close();
  });
  return {
    below,
    queue,
    consume: async (handler: JobHandler, options: Partial<ConsumeOptions> = {}) => {
      const consumer = await queue.consume(handler, { ...FAST, ...options });
      consumers.push(consumer);
      return consumer;
    },
  };
}

type Case = (t: TestContext, place: Place) => Promise<void>;
const present = PLACES.filter(({ skip }) => !skip);
/** For what is the same code on every backend. */
const ONE = present[0]?.name;
/** The embedded database runs the statements of Postgres: most are tested on it only where Postgres is missing. */
const SQL = present.find(({ name }) => name !== 'Redis')?.name;

for (const { name, skip, find } of PLACES) {
  describe(`the queue on ${name}`, { skip }, () => {
    const onEach = (what: string, run: Case): void =>
      void test(what, async (t) => {
        const place = await find(t);
        if (place) await run(t, place);
      });
    const on = name === 'Redis' || name === SQL ? onEach : () => undefined;
    const onOne = name === ONE ? onEach : () => undefined;

    onEach('hands a reference to the handler as it was added', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      const reference: Reference = {
        account: 'wx0000000000000001',
        mediaId: '媒体-😀-"quoted"\\',
        kind: 'voice',
        variant: '16k',
        parentId: 'm_00000000000000000000000000000000',
        openId: 'o1',
        msgId: '9007199254740993',
        sentAt: new Date('2026-11-23T04:05:06.789Z'),
        picUrl: 'https://example.com/a?b=c',
        text: '发票抬头改成\n“公司” 👩‍👩‍👧',
        labels: { 客户: '张三 👩‍👩‍👧', empty: ' ' },
      };
      const id = idOf(reference.account, reference.mediaId);
      await queue.add([{ id, generation: 7, reference }]);
      const handled = createHandled();
      await consume(handled.handler);
      await handled.until(1);
      assert.deepEqual(handled.jobs, [
        { jobId: `${id}-7`, id, generation: 7, reference, attempt: 1, wasStalled: false },
      ]);
      await eventually('it has ended', () => isIdle(queue));
    });

    on('is first in, first out, also across batches', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      const ids = Array.from({ length: 60 }, (_, index) => `media-${index}`);
      await queue.add(ids.slice(0, 40).map((id) => entryOf(id)));
      await queue.add(ids.slice(40).map((id) => entryOf(id)));
      assert.equal((await queue.counts()).waiting, 60);
      const handled = createHandled();
      await consume(handled.handler, { concurrency: 1 });
      await handled.until(60);
      assert.deepEqual(
        handled.jobs.map((job) => job.reference.mediaId),
        ids,
      );
    });

    on('ignores a job that exists, in any state', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      await queue.add([entryOf('a'), entryOf('a')]);
      await queue.add([entryOf('a'), entryOf('b')]);
      assert.equal((await queue.counts()).waiting, 2);
      const handled = createHandled();
      await consume(handled.handler);
      await eventually('both have ended', () => isIdle(queue));
      // Only Redis keeps finished jobs; elsewhere a second run changes nothing, since its generation is over.
      await queue.add(keepsEnded(place) ? [entryOf('a'), entryOf('a', 2)] : [entryOf('a', 2)]);
      await handled.until(3);
      assert.deepEqual(
        handled.jobs.map((job) => [job.reference.mediaId, job.generation]),
        [
          ['a', 1],
          ['b', 1],
          ['a', 2],
        ],
      );
    });

    onEach('runs a job again after the delay of the result, and counts the attempts', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      const times: number[] = [];
      const handled = createHandled(({ attempt }) => {
        times.push(performance.now());
        return attempt < 3 ? { action: 'retry', delayMs: 300, failure: failed('network') } : finish;
      });
      await consume(handled.handler);
      await queue.add([entryOf('a')]);
      await handled.until(3);
      assert.deepEqual(
        handled.jobs.map((job) => job.attempt),
        [1, 2, 3],
      );
      const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
      assert.ok(
        gaps.every((gap) => gap >= 290 && gap < 3_000),
        `${gaps}`,
      );
    });

    onEach('fails a job at once, with a reason that every backend can store', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      const handled = createHandled(() => ({
        action: 'fail',
        failure: failed('too_large', 'NUL \0 and half a pair \ud83d of access_token=abcdefghijkl'),
      }));
      await consume(handled.handler);
      await queue.add([entryOf('a')]);
      await eventually('one has failed', async () => (await queue.counts()).failed === 1);
      assert.equal(handled.jobs.length, 1);
      const [job] = await failedJobs(queue);
      assert.equal(job?.failedReason, 'too_large: NUL  and half a pair \ufffd of access_token=[redacted]');
    });

    on('requeues a job without counting an attempt', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      const handled = createHandled(() => {
        if (handled.jobs.length === 1) return { action: 'requeue', delayMs: 100 };
        if (handled.jobs.length === 2) return { action: 'requeue', delayMs: 0 };
        return finish;
      });
      await consume(handled.handler);
      await queue.add([entryOf('a')]);
      await handled.until(3);
      assert.deepEqual(
        handled.jobs.map((job) => job.attempt),
        [1, 1, 1],
      );
      await eventually('it has ended', () => isIdle(queue));
    });

    on(
      'runs a job again a few times when its handler fails unexpectedly, then fails it',
      async (t, place) => {
        const { queue, consume } = await setup(t, place);
        const handled = createHandled(({ attempt }) => {
          // An orderly retry in between neither counts nor resets.
          if (attempt === 3) return { action: 'retry', delayMs: 10, failure: failed('network') };
          throw new Error('broken \0 \ud800');
        });
        await consume(handled.handler);
        await queue.add([entryOf('a')]);
        await eventually('one has failed', async () => (await queue.counts()).failed === 1);
        assert.equal(handled.jobs.length, 6);
        assert.equal((await failedJobs(queue))[0]?.failedReason, 'internal: broken  \ufffd');
      },
    );

    on(
      'treats jobs of foreign producers as its own, and fails invalid ones with the reason',
      async (t, place) => {
        const { queue, below, consume } = await setup(t, place);
        const { reference } = entryOf('foreign');
        const id = idOf(reference.account, reference.mediaId);
        const data = { ...reference, sentAt: '2026-11-23T12:05:06+08:00', v: 1 };
        const handled = createHandled(({ attempt }) =>
          attempt === 1 ? { action: 'retry', delayMs: 10, failure: failed('network') } : finish,
        );
        await consume(handled.handler);
        await below.addForeign({ data, jobId: id });
        await handled.until(2);
        assert.deepEqual(handled.jobs[1], {
          jobId: id,
          id,
          generation: undefined,
          reference: { ...reference, sentAt: new Date('2026-11-23T04:05:06Z') },
          attempt: 2,
          wasStalled: false,
        });

        const invalid: [string, unknown, RegExp][] = [
          ['bad-name', data, /^unknown job name "rm -rf"/],
          ['bad-null', null, /^invalid job data: /],
          ['bad-text', 'x'.repeat(100_000), /^invalid job data: data: /],
          ['bad-array', [data], /^invalid job data: data: /],
          ['bad-date', { ...data, sentAt: 'yesterday' }, /sentAt: /],
          ['bad-no-date', { ...data, sentAt: undefined }, /sentAt: /],
          ['bad-version', { ...data, v: 2 }, /v: /],
          [
            'bad-key',
            { ...data, [`__${'k'.repeat(5_000)}`]: 1 },
            /^invalid job data: __k{10,80}: .{50,490}$/,
          ],
          ['bad-proto', JSON.parse('{"__proto__": {"v": 1}}'), /account: /],
        ];
        for (const [jobId, badData] of invalid) {
          await below.addForeign({
            data: badData,
            jobId,
            ...(jobId === 'bad-name' ? { name: 'rm -rf' } : {}),
          });
        }
        await eventually('all have failed', async () => (await queue.counts()).failed === invalid.length);
        const reasons = new Map((await failedJobs(queue)).map((job) => [job.id, job.failedReason]));
        for (const [jobId, , reason] of invalid) assert.match(reasons.get(jobId) ?? '', reason, jobId);
        assert.equal(handled.jobs.length, 2);
      },
    );

    onOne('counts a generation only in a job id that belongs to the item', async (t, place) => {
      const { below, consume } = await setup(t, place);
      const { reference, id } = entryOf('a');
      const data = { ...reference, v: 1 };
      const handled = createHandled();
      await consume(handled.handler, { concurrency: 1 });
      await below.addForeign({ data, jobId: jobIdOf(idOf(reference.account, 'another'), 3) });
      await below.addForeign({ data, jobId: `${id}-3e2` });
      await below.addForeign({ data, jobId: `${id}-3` });
      await handled.until(3);
      assert.deepEqual(
        handled.jobs.map((job) => [job.id, job.generation]),
        [
          [id, undefined],
          [id, undefined],
          [id, 3],
        ],
      );
    });

    onEach('requeues its active jobs when it closes, with the same attempt', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      const reasons: unknown[] = [];
      const first = createHandled(async ({ reference }, signal) => {
        if (reference.mediaId === 'quick') return finish;
        try {
          return await untilAborted(signal);
        } catch (error) {
          reasons.push(error);
          // As the archiver returns for a broken download; the attempt must not count.
          if (reference.mediaId === 'b')
            return { action: 'retry', delayMs: 60_000, failure: failed('network') };
          if (reference.mediaId === 'deaf') return new Promise(() => {});
          throw error;
        }
      });
      const consumer = await consume(first.handler, { abortMs: 300 });
      await queue.add(['quick', 'a', 'b', 'deaf'].map((mediaId) => entryOf(mediaId)));
      await first.until(4);
      const startedAt = performance.now();
      await consumer.close(200);
      const tookMs = performance.now() - startedAt;
      assert.ok(tookMs >= 190 && tookMs < 4_000, `closed in ${tookMs} ms`);
      assert.deepEqual(
        reasons.map((reason) => reason instanceof JobAbortedError && reason.reason),
        ['shutdown', 'shutdown', 'shutdown'],
      );
      const completed = keepsEnded(place) ? 1 : 0;
      assert.deepEqual(await queue.counts(), { waiting: 3, active: 0, delayed: 0, completed, failed: 0 });

      const second = createHandled();
      await consume(second.handler);
      await second.until(3);
      assert.deepEqual(second.jobs.map((job) => `${job.reference.mediaId} ${job.attempt}`).sort(), [
        'a 1',
        'b 1',
        'deaf 1',
      ]);
    });

    onOne('waits for jobs that end within the grace', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      let end = () => {};
      const handled = createHandled(
        () =>
          new Promise((resolve) => {
            end = () => resolve(finish);
          }),
      );
      const consumer = await consume(handled.handler, { concurrency: 1 });
      await queue.add([entryOf('a'), entryOf('b')]);
      await handled.until(1);
      const closed = consumer.close(60_000);
      end();
      await closed;
      assert.equal(handled.jobs.length, 1);
      const { active, waiting } = await queue.counts();
      assert.deepEqual({ active, waiting }, { active: 0, waiting: 1 });
    });

    onEach('hands the jobs of a killed worker to another one', async (t, place) => {
      // The embedded database has one process at a time: the killed worker is then the whole program.
      const alone = place.kind === 'pglite';
      const before = await setup(t, place);
      await before.queue.add([entryOf('a'), entryOf('b')]);
      if (alone) {
        await before.queue.close();
        await before.below.close();
      }
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL('worker-child.ts', import.meta.url)), JSON.stringify(place)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      t.after(() => child.kill('SIGKILL'));
      const taken: unknown[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        if (taken.push(JSON.parse(line)) === 2) break;
      }
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;

      const { queue, consume } = alone ? await setup(t, place) : before;
      assert.equal((await queue.counts()).active, 2);
      const jobIds = ['a', 'b'].map((mediaId) => jobIdOf(entryOf(mediaId).id, 1));
      assert.deepEqual(await queue.lost(jobIds), []);
      const handled = createHandled();
      await consume(handled.handler);
      await handled.until(2);
      assert.deepEqual(handled.jobs.map((job) => job.jobId).sort(), jobIds.sort());
      assert.deepEqual(
        handled.jobs.map((job) => job.attempt),
        [1, 1],
      );
      await eventually('both have ended', () => isIdle(queue));
    });

    on('returns the jobs that will never run', async (t, place) => {
      const { queue, consume } = await setup(t, place);
      const handled = createHandled(({ reference }, signal) => {
        if (reference.mediaId === 'active') return untilAborted(signal);
        if (reference.mediaId === 'delayed') return { action: 'requeue', delayMs: 60_000 };
        if (reference.mediaId === 'failed') return { action: 'fail', failure: failed('too_large') };
        return finish;
      });
      await consume(handled.handler, { concurrency: 1 });
      await queue.add(['completed', 'failed', 'delayed', 'active', 'waiting'].map((id) => entryOf(id)));
      await handled.until(4);
      const ids = new Map(
        ['completed', 'failed', 'delayed', 'active', 'waiting', 'absent'].map((mediaId) => [
          jobIdOf(entryOf(mediaId).id, 1),
          mediaId,
        ]),
      );
      const lost = await queue.lost([...ids.keys()]);
      assert.deepEqual(
        lost.map((jobId) => ids.get(jobId)),
        ['completed', 'failed', 'absent'],
      );
    });

    on('finds lost ones among thousands of jobs quickly', async (t, place) => {
      const { queue } = await setup(t, place);
      await queue.add(Array.from({ length: 500 }, (_, index) => entryOf(`media-${index}`)));
      const asked = Array.from({ length: 2_500 }, (_, index) => jobIdOf(entryOf(`media-${index}`).id, 1));
      const startedAt = performance.now();
      const lost = await queue.lost(asked);
      const tookMs = performance.now() - startedAt;
      assert.deepEqual(lost, asked.slice(500));
      assert.ok(tookMs < 5_000, `took ${tookMs} ms`);
    });

    on(
      'reports purged jobs as lost, aborts the active ones and continues with new ones',
      async (t, place) => {
        const { queue, below, consume } = await setup(t, place);
        const aborted: unknown[] = [];
        const handled = createHandled(async ({ reference }, signal) => {
          if (reference.mediaId !== 'held') return finish;
          return untilAborted(signal).catch((error) => {
            aborted.push(error);
            throw error;
          });
        });
        await consume(handled.handler, { concurrency: 1 });
        await queue.add([entryOf('held'), entryOf('waiting')]);
        await handled.until(1);
        await below.purge();
        const jobIds = ['held', 'waiting'].map((mediaId) => jobIdOf(entryOf(mediaId).id, 1));
        assert.deepEqual(await queue.lost(jobIds), jobIds);
        await queue.add([entryOf('waiting', 2), entryOf('new')]);
        await handled.until(3);
        assert.deepEqual(
          handled.jobs.map((job) => `${job.reference.mediaId} ${job.generation}`),
          ['held 1', 'waiting 2', 'new 1'],
        );
        assert.ok(aborted[0] instanceof JobAbortedError && aborted[0].reason === 'lockLost');
      },
    );

    on('aborts a job whose lock another worker holds, and leaves it alone', async (t, place) => {
      const { queue, below, consume } = await setup(t, place);
      let reason: unknown;
      const handled = createHandled(async (_job, signal) => {
        await untilAborted(signal).catch((error) => {
          reason = error;
        });
        return finish;
      });
      await consume(handled.handler, { stalledIntervalMs: 60_000 });
      await queue.add([entryOf('a')]);
      await handled.until(1);
      await below.stealLock(jobIdOf(entryOf('a').id, 1));
      await eventually('the signal is aborted', async () => reason !== undefined);
      assert.ok(reason instanceof JobAbortedError && reason.reason === 'lockLost');
      const { active, completed } = await queue.counts();
      assert.deepEqual({ active, completed }, { active: 1, completed: 0 });
    });

    onOne('rejects at once where its signal is aborted', async (t, place) => {
      const { queue } = await setup(t, place);
      await assert.rejects(queue.add([entryOf('a')], AbortSignal.abort(new Error('closing'))), /closing/);
      assert.deepEqual(await queue.lost([jobIdOf(entryOf('a').id, 1)]), [jobIdOf(entryOf('a').id, 1)]);
    });
  });
}

async function failedJobs(queue: { board: unknown }): Promise<{ id: string; failedReason: string }[]> {
  return (queue.board as { getFailed(): Promise<{ id: string; failedReason: string }[]> }).getFailed();
}
