/** A throwaway Postgres: small and, for tests, forgetful, but otherwise with its own defaults. */
import { chown, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { createContainer, DOCKER } from './docker.ts';
import { createTestServer, freePort, run, type ThrowawayServer } from './server.ts';

const SMALL = { shared_buffers: '32MB', max_connections: '200' };
const FORGETFUL = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/**
 * `via` is the path of the `postgres` binary, or `docker`; otherwise as for Redis. `isDurable`: as a careful operator
 * runs it; what is not measured can do without.
 */
export async function createPostgresServer(options: {
  via: string;
  folder: string;
  isDurable?: boolean;
}): Promise<ThrowawayServer> {
  const settings = { ...SMALL, ...(options.isDurable ? {} : FORGETFUL) };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  if (options.via === DOCKER) {
    const env = ['POSTGRES_HOST_AUTH_METHOD=trust'];
    const container = await createContainer({
      image: 'postgres:17',
      port,
      containerPort: 5432,
      env,
      args: flags,
    });
    // The image restarts the server once after preparing its folder: only TCP responses count, and those come after.
    return {
      ...createTestServer(url, container.command, () => pingPostgres(url)),
      release: container.remove,
    };
  }
  const owner = await unprivileged();
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  if (owner) await chown(options.folder, owner.uid, owner.gid);
  const as = { cwd: options.folder, ...owner };
  const initArgs = ['-D', options.folder, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '-N'];
  await run(join(dirname(options.via), 'initdb'), initArgs, { ...as, timeout: 60_000 });
  const place = ['-D', options.folder, '-h', '127.0.0.1', '-p', String(port), '-k', ''];
  // SIGQUIT stops without a checkpoint, so the next start recovers as after a crash; after SIGKILL it would refuse
  // to start until the last orphaned backend has gone.
  const command = {
    program: options.via,
    args: [...place, ...flags],
    crashSignal: 'SIGQUIT' as const,
    ...as,
  };
  return { ...createTestServer(url, command, () => pingPostgres(url)), release: async () => {} };
}

/** Postgres refuses to run as root: the user its package made, or nobody. Undefined where we are not root. */
export async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const user of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all(
        ['-u', '-g'].map(async (flag) => (await run('id', [flag, user])).stdout),
      );
      return { uid: Number(uid), gid: Number(gid) };
    } catch {}
  }
  throw new Error('running as root, and there is neither a user postgres nor nobody to run Postgres as');
}

export async function pingPostgres(url: string): Promise<void> {
  await onPostgres(url, 'SELECT 1');
}

/** One statement on a connection of its own, ten seconds at most. */
export async function onPostgres(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 2000,
    query_timeout: 10_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await client.query(sql);
  } finally {
    await client.end().catch(() => {});
  }
}
