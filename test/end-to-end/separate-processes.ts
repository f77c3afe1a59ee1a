/** The service as processes of its own on Redis, Postgres and a foreign S3. */
import type { TestContext } from 'node:test';
import { postgresForTest, redisForTest } from '../machine/services.ts';
import { foreignS3 } from './foreign-s3.ts';
import { folderForTest, startProgram } from './programs.ts';
import { setup } from './wechat.ts';

/** Undefined where Redis or Postgres is missing; the test is then skipped. `start` runs a program by its file. */
export async function setupProcesses(t: TestContext, variables: Readonly<Record<string, string>> = {}) {
  const [database, redis] = [await postgresForTest(t), await redisForTest(t)];
  if (!database || !redis) return undefined;
  const wechat = await setup(t);
  const s3 = await foreignS3(t);
  const folder = await folderForTest(t);
  const env = {
    ...wechat.env,
    ...s3.env,
    ALLOW_EMBEDDED: '',
    DATABASE_URL: database,
    REDIS_URL: redis.url,
    QUEUE_PREFIX: redis.prefix,
    FETCH_IDLE_TIMEOUT: '5m',
    ...variables,
  };
  return { ...wechat, s3, env, start: (file: string) => startProgram(t, { file, folder, env }) };
}
