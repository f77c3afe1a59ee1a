/**
 * Locks a folder for one process, with a Unix socket in the folder. The kernel closes the socket at kill -9. A pid
 * file, in contrast, may contain the pid of a program that was started later.
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, openSync, statSync, unlinkSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
  readonly folder: string;
  constructor(folder: string) {
    super(
      `Another copy of this program is running on the folder ${folder}, and two copies would overwrite each other's data. ` +
        'Stop the other one, or set DATA_DIR to another folder.',
    );
    this.folder = folder;
  }
}

export interface FolderLock {
  release(): Promise<void>;
}

const SOCKET_NAME = 'in-use.sock';
/** sun_path has 108 bytes on Linux and 104 on other systems, including the final NUL. */
const MAX_PATH_BYTES = 103;
const CONNECT_TIMEOUT_MS = 2_000;
/** Far longer than another process needs between its check of a dead socket and its unlink. */
const SETTLE_MS = 50;
const ATTEMPTS = 5;

/**
 * Locks the folder (created if missing) for this process until release or the end of the process. If another process,
 * or another call in this one, holds the lock, throws {@link FolderInUseError}. The lock works between containers that
 * share the folder on one machine, but not between machines that share it over a network.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const real = await realpath(folder);
  const place = placeSocket(real);
  let held = false;
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const server = await take(place.path);
      if (server) {
        held = true;
        return {
          release: async () => {
            if (!server.listening) return;
            await new Promise((resolve) => server.close(resolve)); // Also removes the socket.
            place.close();
          },
        };
      }
    }
    throw new FolderInUseError(real);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new FolderInUseError(real);
    throw error;
  } finally {
    if (!held) place.close();
  }
}

/** Returns a path for the socket that is short enough for the kernel, also for a deeply nested folder. */
function placeSocket(folder: string): { path: string; close(): void } {
  const path = join(folder, SOCKET_NAME);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path, close: () => {} };
  if (process.platform === 'linux') {
    const fd = openSync(folder, 'r');
    return { path: `/proc/self/fd/${fd}/${SOCKET_NAME}`, close: () => closeSync(fd) };
  }
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 32);
  return { path: join(tmpdir(), `wma-${name}.sock`), close: () => {} };
}

/** Makes one attempt. Resolves with undefined if another process was faster and the attempt should be repeated. */
async function take(path: string): Promise<Server | undefined> {
  const found = inode(path);
  if (found) {
    if (await isInUse(path)) throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
    // Two calls without a pause, so that only the dead socket is removed, and not one that was created later.
    if (!same(found, inode(path))) return undefined;
    unlinkSync(path);
  }
  const server = createServer((socket) => socket.destroy());
  const listening = await listen(server, path);
  if (!listening) return undefined;
  const mine = inode(path);
  // Another process may have checked the dead socket before us, and removed our socket between its two calls.
  await wait(SETTLE_MS);
  if (mine && same(mine, inode(path))) return server;
  // Our socket is not closed, because that would remove the path, which now belongs to the other process. The kernel
  // closes ours at exit.
  return undefined;
}

function listen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(path, () => resolve(true));
    server.unref();
  });
}

/** Whether a live process has the socket. A process that is too busy to accept in time counts as live. */
function isInUse(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (isAlive: boolean) => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => end(true));
    socket.once('connect', () => end(true));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function inode(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Also compares the change time, because inode numbers are reused at once. */
function same(one: BigIntStats, other: BigIntStats | undefined): boolean {
  return one.ino === other?.ino && one.ctimeNs === other.ctimeNs;
}
