/** What only Redis can return to a queue. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { jobIdOf, QUEUE_NAME } from '../../src/queue/job.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { missing, redisForTest } from '../machine/services.ts';
import { quiet } from './backends.ts';
import { createHandled, entryOf, eventually } from './handled.ts';

test('a job whose data are not JSON fails with a reason and delays no other', {
  skip: missing.redis,
}, async (t) => {
  const place = await redisForTest(t);
  if (!place) return;
  const redis = new Redis(place.url);
  const queue = await openArchiveQueue({ kind: 'redis', ...place }, { log: quiet });
  t.after(async () => {
    await queue.close();
    redis.disconnect();
  });
  await queue.add(['bad', 'good'].map((mediaId) => entryOf(mediaId)));
  const jobId = jobIdOf(entryOf('bad').id, 1);
  await redis.hset(`${place.prefix}:${QUEUE_NAME}:${jobId}`, 'data', '{"account": "wx');
  const handled = createHandled();
  const consumer = await queue.consume(handled.handler, { concurrency: 1 });
  t.after(() => consumer.close(0));
  await handled.until(1);
  assert.equal(handled.jobs[0]?.reference.mediaId, 'good');
  await eventually('the bad one failed', async () => (await queue.counts()).failed === 1);
  assert.deepEqual(await queue.lost([jobId]), [jobId]);
});
