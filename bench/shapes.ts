/** The three shapes the program runs in, and the environment that makes each of them. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { BUCKET, KEYS, REGION } from './byte-path/variant.ts';
import type { PartOptions } from './part.ts';
import type { Services } from './services.ts';

export const SHAPES = ['redis', 'postgres', 'embedded'] as const;
export type Shape = (typeof SHAPES)[number];

export const SHAPE_NAMES: Readonly<Record<Shape, string>> = {
  redis: 'Redis + Postgres',
  postgres: 'Postgres alone',
  embedded: 'embedded database',
};

export const ACCOUNT = {
  account: 'wxbench00000000000',
  appId: 'wxbench00000000000',
  secret: 'benchmark-app-secret-0123456789a',
  token: 'benchmarktoken',
  encodingAesKey: 'benchmarkBenchmarkBenchmarkBenchmarkBenchmA',
};
export const API_KEY = 'benchmark-admin-key-0123456789';

/** Returns the shapes to measure: the selected one, in a quick run the first, else all. */
export function shapesOf({ quick, set }: Pick<PartOptions, 'quick' | 'set'>): readonly Shape[] {
  if (set.shape) return SHAPES.filter((shape) => shape === set.shape);
  return quick ? SHAPES.slice(0, 1) : SHAPES;
}

/** Returns why a shape cannot run here, or undefined where it can. */
export function missingFor(shape: Shape, services: Services): string | undefined {
  if (shape !== 'embedded' && !services.postgresUrl) return services.missing.join('; ');
  if (shape === 'redis' && !services.redisUrl) return services.missing.join('; ');
  return undefined;
}

/** Everything `src/main.ts` and the workers need; each call is a new, empty installation. */
export async function environmentOf(
  shape: Shape,
  services: Services,
  ends: { originUrl: string; sinkUrl: string },
): Promise<Record<string, string>> {
  const prefix = `{bench-${randomBytes(4).toString('hex')}}`;
  return {
    NODE_ENV: 'development',
    LOG_LEVEL: 'warn',
    PORT: '0',
    API_KEYS: `admin:${API_KEY}`,
    DATA_DIR: await services.folder('data'),
    ALLOW_EMBEDDED: '1',
    WECHAT_APP_ID: ACCOUNT.appId,
    WECHAT_APP_SECRET: ACCOUNT.secret,
    WECHAT_TOKEN: ACCOUNT.token,
    WECHAT_ENCODING_AES_KEY: ACCOUNT.encodingAesKey,
    WECHAT_API_BASE_URL: ends.originUrl,
    WECHAT_VIDEO_BASE_URL: '',
    ACCOUNT_CONCURRENCY: '16',
    S3_BUCKET: BUCKET,
    S3_ENDPOINT: ends.sinkUrl,
    S3_REGION: REGION,
    S3_ADDRESSING: 'path',
    S3_ACCESS_KEY_ID: KEYS.accessKeyId,
    S3_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    DATABASE_URL: shape === 'embedded' ? '' : await services.newDatabase(),
    REDIS_URL: shape === 'redis' ? services.redisUrl! : '',
    QUEUE_PREFIX: prefix,
  };
}

/** Commands that Redis has run so far, without its own and without blocking reads of an empty queue. */
export async function redisCommands(url: string): Promise<{ commands: number; bytes: number }> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    const [stats, commands] = await Promise.all([redis.info('stats'), redis.info('commandstats')]);
    const number = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
    const calls = [...commands.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)]
      .filter(([, name]) => /^(eval|evalsha|bzpopmin|client|info|ping|fcall)/.test(name!))
      .reduce((sum, [, , count]) => sum + Number(count), 0);
    return { commands: calls, bytes: number('total_net_input_bytes') + number('total_net_output_bytes') };
  } finally {
    redis.disconnect();
  }
}
