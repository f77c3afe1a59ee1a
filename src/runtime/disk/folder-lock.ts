/** One process for one folder, by a Unix socket in it: the kernel drops it at kill -9, and no pid can lie. */
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
/** Far longer than another process needs between its look at a dead socket and its unlink. */
const SETTLE_MS = 50;
const ATTEMPTS = 5;

/**
 * Takes the folder (made if missing) for this process until release or the process' end.
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

/** A path for the socket that the kernel takes, however deep the folder lies. */
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

/** One try; undefined when somebody was faster and it is worth another look. */
async function take(path: string): Promise<Server | undefined> {
  const found = inode(path);
  if (found) {
    if (await answers(path)) throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
    // Two calls without a pause: only what was found dead is removed, not what somebody has put there since.
    if (!same(found, inode(path))) return undefined;
    unlinkSync(path);
  }
  const server = createServer((socket) => socket.destroy());
  const listening = await listen(server, path);
  if (!listening) return undefined;
  const mine = inode(path);
  // Somebody who had looked at the dead socket before us may have removed ours between his two calls.
  await wait(SETTLE_MS);
  if (mine && same(mine, inode(path))) return server;
  // Not closed: closing removes the path, which is the other's now. It dies with this process.
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

/** Whether a living process holds the socket; one too busy to answer in time does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (isAlive: boolean) => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => settle(true));
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function inode(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Inode numbers are used again at once; the time of the last change is not. */
function same(one: BigIntStats, other: BigIntStats | undefined): boolean {
  return one.ino === other?.ino && one.ctimeNs === other.ctimeNs;
}
