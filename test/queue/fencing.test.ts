/** What a consumer does with a job that it has lost, or that arrives while it closes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { BullBackend } from '../../src/queue/backend.ts';
import { createConsumer } from '../../src/queue/consumer.ts';
import { toJobData } from '../../src/queue/job.ts';
import { applyJobResult, JobAbortedError, type JobResult } from '../../src/queue/job-result.ts';
import { createLog } from '../../src/runtime/log.ts';
import { failed, finish, referenceOf } from './handled.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });

/** A job that records the calls it receives. */
function recordedJob() {
  const done: string[] = [];
  const job = {
    id: 'm_1-1',
    name: 'archive',
    data: toJobData(referenceOf('a')),
    opts: {},
    attemptsMade: 0,
    stalledCounter: 0,
    progress: 0,
    moveToWait: async () => void done.push('moveToWait'),
    moveToDelayed: async () => void done.push('moveToDelayed'),
    updateProgress: async () => void done.push('updateProgress'),
  };
  return { done, job: job as unknown as Job };
}

for (const decided of [
  finish,
  { action: 'fail', failure: failed('network') },
  { action: 'requeue', delayMs: 5 },
  { action: 'retry', delayMs: 5, failure: failed('network') },
] as const satisfies readonly JobResult[]) {
  test(`a job whose lock was lost is left alone whatever its handler returned: ${decided.action}`, async () => {
    const { done, job } = recordedJob();
    const signal = AbortSignal.abort(new JobAbortedError('lockLost'));
    const run = { handle: async () => decided, signal, log, report: () => undefined };
    await assert.rejects(applyJobResult(job, 'token', run), WaitingError);
    assert.deepEqual(done, []);
  });
}

test('a job that is fetched while the consumer closes is requeued without being started', async () => {
  let processor: ((job: Job, token?: string) => Promise<unknown>) | undefined;
  const worker = { waitUntilReady: async () => {}, on: () => worker, close: async () => {} };
  const bull = {
    jobOptions: {},
    createWorker: (given: typeof processor) => {
      processor = given;
      return { worker, disconnect: () => {} };
    },
  } as unknown as BullBackend;
  let started = 0;
  const handler = async () => {
    started++;
    return finish;
  };
  const consumer = createConsumer(bull, handler, { concurrency: 1 }, log);
  await consumer.close(0);
  const { done, job } = recordedJob();
  await assert.rejects(processor!(job, 'token'), (error) => !(error instanceof UnrecoverableError));
  assert.deepEqual([started, done], [0, ['moveToWait']]);
});
