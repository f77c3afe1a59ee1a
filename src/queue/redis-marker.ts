/**
 * Finds jobs that Redis has misplaced. BullMQ keeps a job as a hash, and its place in a list or a sorted set. Where the
 * place is gone (deleted, evicted, lost in a failover), the hash stays "not finished", and no worker ever gets the job.
 */
import type { Redis } from 'ioredis';
import type { BullQueue } from './backend.ts';
import { MAX_WAIT_MS } from './job.ts';

const LISTS = ['active', 'wait', 'paused'] as const;
const PAGE = 5_000;
/** Foreign producers may fill the queue without a bound: lists are read up to here, and not searched behind it. */
const READ_LIMIT = 100_000;
/** To confirm a suspect, BullMQ searches its lists; the rest of the suspects follows at the next call. */
const MAX_CONFIRMED = 100;
/** BullMQ's score of a delayed job: its time in milliseconds, and twelve bits for the order of equal times. */
const SCORE_UNIT = 0x1000;

/** Returns the jobs without a lock and without a place in a sorted set, and those that are delayed for too long. */
async function suspectsOf(redis: Redis, key: string, jobIds: readonly string[]) {
  const [seconds] = await redis.time();
  const latestMs = Number(seconds) * 1_000 + MAX_WAIT_MS;
  const delayedTooLong: string[] = [];
  const suspects = new Set<string>();
  // One pipeline.
  await Promise.all(
    jobIds.map(async (jobId) => {
      const [locked, delayed, prioritized] = await Promise.all([
        redis.exists(`${key}:${jobId}:lock`),
        redis.zscore(`${key}:delayed`, jobId),
        redis.zscore(`${key}:prioritized`, jobId),
      ]);
      if (delayed !== null && Number(delayed) / SCORE_UNIT > latestMs) delayedTooLong.push(jobId);
      else if (locked === 0 && delayed === null && prioritized === null) suspects.add(jobId);
    }),
  );
  return { suspects, delayedTooLong };
}

export async function misplacedIn(
  redis: Redis,
  queue: Pick<BullQueue, 'getBackend'>,
  key: string,
  jobIds: readonly string[],
): Promise<string[]> {
  const { suspects, delayedTooLong } = await suspectsOf(redis, key, jobIds);
  for (const list of LISTS) {
    for (let start = 0; suspects.size > 0; start += PAGE) {
      if (start >= READ_LIMIT) return delayedTooLong;
      const page = await redis.lrange(`${key}:${list}`, start, start + PAGE - 1);
      for (const jobId of page) suspects.delete(jobId);
      if (page.length < PAGE) break;
    }
  }
  // The lists are not read at one moment: a job may have moved meanwhile.
  const states = await Promise.all(
    [...suspects]
      .slice(0, MAX_CONFIRMED)
      .map(async (jobId) => [jobId, await queue.getBackend().getState(jobId)] as const),
  );
  const unknown = states.filter(([, state]) => state === 'unknown').map(([jobId]) => jobId);
  return [...delayedTooLong, ...unknown];
}
