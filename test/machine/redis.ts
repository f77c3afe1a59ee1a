/** A throwaway Redis as a careful operator runs it: append-only file on, nothing evicted. */
import { mkdir } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { createContainer, DOCKER } from './docker.ts';
import { createTestServer, freePort, type ThrowawayServer } from './server.ts';

const SETTINGS = ['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'];

/**
 * `via` is the path of redis-server, or `docker`. Data lie in `folder`, which the caller removes; `release` removes
 * what lies elsewhere.
 */
export async function createRedisServer(options: { via: string; folder: string }): Promise<ThrowawayServer> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  if (options.via === DOCKER) {
    const args = ['redis-server', ...SETTINGS];
    const container = await createContainer({ image: 'redis:7', port, containerPort: 6379, args });
    return {
      ...createTestServer(url, container.command, () => pingRedis(url)),
      release: container.remove,
    };
  }
  await mkdir(options.folder, { recursive: true });
  const place = ['--bind', '127.0.0.1', '--port', String(port), '--dir', options.folder];
  const command = { program: options.via, args: [...place, ...SETTINGS], cwd: options.folder };
  return { ...createTestServer(url, command, () => pingRedis(url)), release: async () => {} };
}

/** One connection, one PING, no retry. A server that still reads its append-only file responds with an error. */
export async function pingRedis(url: string): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 2000,
    commandTimeout: 2000,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    await redis.ping();
  } finally {
    redis.disconnect();
  }
}
