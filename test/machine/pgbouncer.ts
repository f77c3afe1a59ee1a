/** A throwaway PgBouncer before a Postgres, on TCP and on a socket in its folder. */
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onPostgres, unprivileged } from './postgres.ts';
import { createTestServer, freePort, type TestServer } from './server.ts';

export interface Pooler extends TestServer {
  /** The folder of its socket `.s.PGSQL.{port}`. */
  readonly folder: string;
  readonly port: number;
}

/** `upstream`: a database; the pooler leads to that one alone, under its name. */
export async function createPgbouncer(options: {
  via: string;
  folder: string;
  upstream: string;
  mode: 'transaction' | 'session';
  /** Further lines of pgbouncer.ini. */
  settings?: readonly string[];
}): Promise<Pooler> {
  const { via, folder, mode, settings = [] } = options;
  const upstream = new URL(options.upstream);
  const name = upstream.pathname.slice(1);
  const port = await freePort();
  const owner = await unprivileged();
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  const users = join(folder, 'users.txt');
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(users, `"${upstream.username}" "${upstream.password}"\n`);
  await writeFile(
    file,
    [
      '[databases]',
      `${name} = host=${upstream.hostname} port=${upstream.port} dbname=${name}`,
      '[pgbouncer]',
      ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, `unix_socket_dir = ${folder}`],
      ...['auth_type = trust', `auth_file = ${users}`, `pool_mode = ${mode}`, 'default_pool_size = 4'],
      ...settings,
      '',
    ].join('\n'),
  );
  if (owner) await chown(folder, owner.uid, owner.gid);
  const url = `postgres://${upstream.username}@127.0.0.1:${port}/${name}`;
  const command = { program: via, args: ['-q', file], cwd: folder, ...owner };
  return { ...createTestServer(url, command, () => onPostgres(url, 'SELECT 1')), folder, port };
}
