/** A job that exists and that no worker will ever take is found, on every backend. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { Reference } from '../../src/media.ts';
import { jobIdOf, MAX_WAIT_MS, QUEUE_NAME, queueNameOf } from '../../src/queue/job.ts';
import { type Below, openBelow, openQueue, PLACES, type Place } from './backends.ts';

const entryOf = (name: string) => ({
  id: `m_${Buffer.from(name.padEnd(16, '_')).toString('hex')}`,
  generation: 1,
  reference: { account: 'wx1', mediaId: name, kind: 'image', sentAt: new Date() } satisfies Reference,
});

/** Changes jobs without the program. */
interface Tamper {
  /** Delays the job until this time. */
  delayUntil(jobId: string, at: number): Promise<unknown>;
  /** Makes the job active, with a lock that ends at this time. */
  lockUntil(jobId: string, at: number): Promise<unknown>;
  /** Deletes all places of one list, but not the jobs. Only on Redis: elsewhere a job and its place are one. */
  dropList?(name: 'wait' | 'active' | 'delayed'): Promise<unknown>;
}

function tamperWith(below: Below, place: Place): Tamper {
  if (place.kind !== 'redis') {
    if (below.backend.kind !== 'postgres') throw new Error('a queue in SQL');
    const { pool } = below.backend;
    const queue = queueNameOf(place.prefix);
    const set = (what: string, jobId: string, at: number) =>
      pool.query(`UPDATE bullmq.job SET ${what} WHERE queue = $1 AND id = $2`, [queue, jobId, at]);
    return {
      delayUntil: (jobId, at) => set(`state = 'delayed', process_at_ms = $3`, jobId, at),
      lockUntil: (jobId, at) => set(`state = 'active', lock_token = 'x', locked_until_ms = $3`, jobId, at),
    };
  }
  const key = `${place.prefix}:${QUEUE_NAME}`;
  const withRedis = async <T>(act: (redis: Redis) => Promise<T>): Promise<T> => {
    const redis = new Redis(place.url);
    try {
      return await act(redis);
    } finally {
      redis.disconnect();
    }
  };
  return {
    delayUntil: (jobId, at) =>
      withRedis(async (redis) => {
        await redis.lrem(`${key}:wait`, 0, jobId);
        await redis.zadd(`${key}:delayed`, at * 0x1000, jobId);
      }),
    lockUntil: (jobId, at) =>
      withRedis(async (redis) => {
        await redis.lrem(`${key}:wait`, 0, jobId);
        await redis.lpush(`${key}:active`, jobId);
        await redis.set(`${key}:${jobId}:lock`, 'x', 'PX', at - Date.now());
      }),
    dropList: (name) => withRedis((redis) => redis.del(`${key}:${name}`)),
  };
}

describe('misplaced jobs', () => {
  for (const { name, skip, find } of PLACES) {
    it(`are those that wait for a time that only a wrong clock can have written, on ${name}`, {
      skip,
    }, async (t) => {
      const place = await find(t);
      if (!place) return;
      const below = await openBelow(place);
      const queue = await openQueue(below);
      t.after(async () => {
        await queue.close();
        await below.close();
      });
      const tamper = tamperWith(below, place);
      const names = ['waits', 'soon', 'in-four-days', 'in-work'];
      await queue.add(names.map(entryOf));
      const [waits, soon, inFourDays, inWork] = names.map((one) => jobIdOf(entryOf(one).id, 1)) as [
        string,
        string,
        string,
        string,
      ];
      await tamper.delayUntil(soon, Date.now() + 60_000);
      await tamper.delayUntil(inFourDays, Date.now() + 4 * 86_400_000);
      await tamper.lockUntil(inWork, Date.now() + 30_000);
      const all = [waits, soon, inFourDays, inWork];
      assert.deepEqual(await queue.lost(all), [], 'all of them exist');
      assert.deepEqual(await queue.misplaced(all), [inFourDays]);
      if (place.kind === 'redis') return;
      // Redis ends locks by its own clock; in SQL the clock of the worker decides.
      await tamper.lockUntil(inWork, Date.now() + MAX_WAIT_MS + 86_400_000);
      assert.deepEqual(new Set(await queue.misplaced(all)), new Set([inFourDays, inWork]));
      assert.deepEqual(await queue.misplaced(all), [inFourDays], 'its lock was ended');
    });
  }

  const redis = PLACES[0]!;
  it('are those whose list is gone, on Redis', { skip: redis.skip }, async (t) => {
    const place = await redis.find(t);
    if (!place) return;
    const below = await openBelow(place);
    const queue = await openQueue(below);
    t.after(async () => {
      await queue.close();
      await below.close();
    });
    const tamper = tamperWith(below, place);
    // More than one page of a list.
    const names = Array.from({ length: 6_000 }, (_, index) => `n${index}`);
    for (let start = 0; start < names.length; start += 1_000)
      await queue.add(names.slice(start, start + 1_000).map(entryOf));
    const jobIds = names.map((one) => jobIdOf(entryOf(one).id, 1));
    const first = jobIds.slice(0, 50);
    assert.deepEqual(await queue.misplaced(first), []);
    await tamper.lockUntil(jobIds[0]!, Date.now() + 30_000);
    await tamper.delayUntil(jobIds[1]!, Date.now() + 1_000);
    await tamper.dropList!('wait');
    assert.deepEqual(await queue.lost(first), [], 'their hashes exist');
    assert.deepEqual(await queue.misplaced(first), jobIds.slice(2, 50));
    await tamper.dropList!('delayed');
    assert.deepEqual(await queue.misplaced(first.slice(0, 2)), [jobIds[1]]);
  });
});
