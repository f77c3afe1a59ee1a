/** Debian's programs that single tests start as real parts: a pooler, a proxy, a wrong clock, a store. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Program → the Debian packages that bring it and what is started beside it. */
export const PROGRAM_PACKAGES = {
  faketime: ['faketime'],
  haproxy: ['haproxy'],
  nginx: ['nginx-light'],
  openssl: ['openssl'],
  pgbouncer: ['pgbouncer'],
  prometheus: ['prometheus'],
  promtool: ['prometheus'],
  radosgw: ['radosgw', 'ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-common'],
  squid: ['squid'],
} as const satisfies Record<string, readonly string[]>;

export type ProgramName = keyof typeof PROGRAM_PACKAGES;
export const PROGRAM_NAMES = Object.keys(PROGRAM_PACKAGES) as ProgramName[];

/** Debian keeps servers where a user's PATH does not lead. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin'];

/** The path of an executable file, or undefined. */
export function findProgram(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter), ...SERVER_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
