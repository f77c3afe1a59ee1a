/** Returns everything in a queue's backend as text, read without BullMQ. */
import { Redis } from 'ioredis';
import type { QueueBackend } from '../../src/queue/backend.ts';

const READERS: Record<string, (redis: Redis, key: string) => Promise<unknown>> = {
  hash: (redis, key) => redis.hgetall(key),
  string: (redis, key) => redis.get(key),
  list: (redis, key) => redis.lrange(key, 0, -1),
  set: (redis, key) => redis.smembers(key),
  zset: (redis, key) => redis.zrange(key, '0', '-1'),
  stream: (redis, key) => redis.xrange(key, '-', '+'),
};

async function dumpRedis(url: string): Promise<string> {
  const redis = new Redis(url);
  try {
    const lines = [];
    for (const key of await redis.keys('*')) {
      const type = await redis.type(key);
      // A lock may have expired in between.
      if (type !== 'none') lines.push(`${key} ${JSON.stringify(await READERS[type]!(redis, key))}`);
    }
    return lines.join('\n');
  } finally {
    redis.disconnect();
  }
}

export async function dumpQueue(backend: QueueBackend): Promise<string> {
  if (backend.kind === 'redis') return await dumpRedis(backend.url);
  const { rows: tables } = await backend.pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'bullmq'`,
  );
  const lines = [];
  for (const { name } of tables) {
    const { rows } = await backend.pool.query(`SELECT to_jsonb(t) AS row FROM bullmq.${name} AS t`);
    lines.push(`${name} ${JSON.stringify(rows)}`);
  }
  return lines.join('\n');
}
