/**
 * One process for one folder, by a Unix socket in the folder: the kernel closes it at kill -9, and unlike a pid file it
 * cannot name a process that is another program by now.
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
      `Another copy of this program is running on the folder ${folder}, and two would lose each other's work. ` +
        'Stop the other one, or set DATA_DIR to another folder.',
    );
    this.folder = folder;
  }
}

export interface FolderLock {
  release(): Promise<void>;
}

const SOCKET_NAME = 'in-use.sock';
/** sun_path holds 108 bytes on Linux and 104 elsewhere, the closing NUL included. */
const MAX_PATH_BYTES = 103;
const CONNECT_TIMEOUT_MS = 2_000;
/** Far longer than another process needs between its check of a dead socket and its unlink. */
const SETTLE_MS = 50;
const ATTEMPTS = 5;

/**
 * Locks the folder (created if missing) for this process until release or the end of the process.
 * Throws {@link FolderInUseError} when another process, or another call in this one, holds it. Containers that share
 * the folder on one machine see each other; machines that share it over a network do not.
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
            await new Promise((resolve) => server.close(resolve)); // removes the socket, too
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

/** Returns a path for the socket that is short enough for the kernel, however deep the folder lies. */
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

/** One attempt. Resolves with undefined when another process was faster and a new attempt makes sense. */
async function take(path: string): Promise<Server | undefined> {
  const found = inode(path);
  if (found) {
    if (await isInUse(path)) throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
    // Two calls without a pause: only the socket that was found dead is removed, not one created since.
    if (!same(found, inode(path))) return undefined;
    unlinkSync(path);
  }
  const server = createServer((socket) => socket.destroy());
  const listening = await listen(server, path);
  if (!listening) return undefined;
  const mine = inode(path);
  // A process that had checked the dead socket before us may have removed ours between its two calls.
  await wait(SETTLE_MS);
  if (mine && same(mine, inode(path))) return server;
  // Not closed: closing would remove the path, which belongs to the other process now. The kernel closes ours at exit.
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

/** Whether a living process holds the socket; one that is too busy to accept in time counts as living. */
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

/** Compares the change time too, because inode numbers are reused at once. */
function same(one: BigIntStats, other: BigIntStats | undefined): boolean {
  return one.ino === other?.ino && one.ctimeNs === other.ctimeNs;
}
