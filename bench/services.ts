/** A Postgres and a Redis of the benchmark's own, or those that the test variables name. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMachine } from '../test/machine/find.ts';
import { createPostgresServer, onPostgres } from '../test/machine/postgres.ts';
import { createRedisServer } from '../test/machine/redis.ts';
import type { ThrowawayServer } from '../test/machine/server.ts';

export interface Services {
  /** The server; each use takes a database of its own. */
  readonly postgresUrl: string | undefined;
  readonly redisUrl: string | undefined;
  /** A sentence for each that is missing. */
  readonly missing: readonly string[];
  /** An empty folder, removed at the end. */
  folder(name: string): Promise<string>;
  /** The URL of a new, empty database. */
  newDatabase(): Promise<string>;
  close(): Promise<void>;
}

export async function openServices(): Promise<Services> {
  const folder = await mkdtemp(join(tmpdir(), 'wma-bench-'));
  await chmod(folder, 0o711); // Postgres runs as another user where we are root.
  const servers: ThrowawayServer[] = [];
  const start = async (server: ThrowawayServer) => {
    servers.push(server);
    await server.start();
    return server.url;
  };
  const { redis, postgres } = await findMachine(process.env);
  const redisUrl =
    redis.url ??
    (redis.via && (await createRedisServer({ via: redis.via, folder: join(folder, 'redis') }).then(start)));
  const postgresUrl =
    postgres.url ??
    (postgres.via &&
      (await createPostgresServer({
        via: postgres.via,
        folder: join(folder, 'postgres'),
        isDurable: true,
      }).then(start)));
  let databases = 0;
  const made: string[] = [];
  return {
    postgresUrl,
    redisUrl,
    missing: [redis, postgres].flatMap((found) => (found.why && !found.url ? [found.why] : [])),
    folder: (name) => mkdtemp(join(folder, `${name}-`)),
    newDatabase: async () => {
      if (!postgresUrl) throw new Error('no Postgres');
      const name = `wma_bench_${process.pid}_${++databases}`;
      await onPostgres(postgresUrl, `CREATE DATABASE ${name}`);
      made.push(name);
      return Object.assign(new URL(postgresUrl), { pathname: `/${name}` }).href;
    },
    close: async () => {
      if (postgresUrl && postgres.url) {
        for (const name of made)
          await onPostgres(postgresUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }
      for (const server of servers) {
        await server.stop();
        await server.release();
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
