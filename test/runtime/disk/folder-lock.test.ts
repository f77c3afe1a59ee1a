import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FolderInUseError, lockFolder } from '../../../src/runtime/disk/folder-lock.ts';
import { makeFolder } from '../../embedded/database/open.ts';

const PROGRAM = fileURLToPath(new URL('hold-folder.ts', import.meta.url));

/** Another process that tries to lock the folder. Resolves with the first line that it prints: `held` or `refused`. */
async function otherProcess(folder: string): Promise<{ child: ChildProcess; printed: string }> {
  const child = spawn(process.execPath, [PROGRAM, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [printed] = await once(createInterface(child.stdout), 'line');
  return { child, printed };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

test('a second holder is refused with an error that names what to do', async () => {
  await using folder = await makeFolder();
  const lock = await lockFolder(folder.path);
  await assert.rejects(lockFolder(folder.path), (error: unknown) => {
    assert.ok(error instanceof FolderInUseError);
    assert.ok(error.message.includes(folder.path));
    assert.match(error.message, /DATA_DIR/);
    return true;
  });
  await lock.release();
  await lock.release(); // idempotent
  await (await lockFolder(folder.path)).release();
});

test('the folder is created where it is missing', async () => {
  await using folder = await makeFolder();
  const lock = await lockFolder(join(folder.path, 'a', 'b'));
  await access(join(folder.path, 'a', 'b'));
  await lock.release();
});

test('another name of the folder is the same folder', async () => {
  await using folder = await makeFolder();
  await mkdir(join(folder.path, 'real'));
  await symlink(join(folder.path, 'real'), join(folder.path, 'alias'));
  const lock = await lockFolder(join(folder.path, 'alias'));
  await assert.rejects(lockFolder(join(folder.path, 'real')), FolderInUseError);
  await lock.release();
});

test('a path that is too long for a socket works too', async () => {
  await using folder = await makeFolder();
  const deep = join(await realpath(folder.path), 'd'.repeat(120), 'e'.repeat(120));
  const lock = await lockFolder(deep);
  await assert.rejects(lockFolder(deep), FolderInUseError);
  const { printed } = await otherProcess(deep);
  assert.equal(printed, 'refused');
  await lock.release();
  await (await lockFolder(deep)).release();
});

test('a process holds the lock against others, and kill -9 frees it', async () => {
  await using folder = await makeFolder();
  const holder = await otherProcess(folder.path);
  assert.equal(holder.printed, 'held');
  try {
    await assert.rejects(lockFolder(folder.path), FolderInUseError);
  } finally {
    await kill(holder.child);
  }
  await access(join(folder.path, 'in-use.sock')); // left behind, dead
  await (await lockFolder(folder.path)).release();
});

test('of many processes that find a dead socket at once, one gets the lock', async () => {
  await using folder = await makeFolder();
  await kill((await otherProcess(folder.path)).child);
  const attempts = await Promise.all(Array.from({ length: 4 }, () => otherProcess(folder.path)));
  try {
    assert.deepEqual(attempts.map(({ printed }) => printed).sort(), [
      'held',
      'refused',
      'refused',
      'refused',
    ]);
  } finally {
    await Promise.all(attempts.map(({ child }) => kill(child)));
  }
});

test('of many calls at once in one process, one gets the lock', async () => {
  await using folder = await makeFolder();
  await kill((await otherProcess(folder.path)).child);
  for (let round = 0; round < 10; round++) {
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder.path)));
    const held = attempts.filter((result) => result.status === 'fulfilled');
    assert.equal(held.length, 1);
    await held[0]!.value.release();
  }
});
