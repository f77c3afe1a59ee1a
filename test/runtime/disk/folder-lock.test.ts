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

/** Another process that tries to take the folder; resolves to its first word: `held` or `refused`. */
async function otherProcess(folder: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [PROGRAM, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [said] = await once(createInterface(child.stdout), 'line');
  return { child, said };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

test('a second holder is refused and told what to do', async () => {
  await using folder = await makeFolder();
  const lock = await lockFolder(folder.path);
  await assert.rejects(lockFolder(folder.path), (error: unknown) => {
    assert.ok(error instanceof FolderInUseError);
    assert.ok(error.message.includes(folder.path));
    assert.match(error.message, /DATA_DIR/);
    return true;
  });
  await lock.release();
  await lock.release(); // again is the same
  await (await lockFolder(folder.path)).release();
});

test('the folder is made where it is missing', async () => {
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

test('a path longer than a socket’s may be works like any other', async () => {
  await using folder = await makeFolder();
  const deep = join(await realpath(folder.path), 'd'.repeat(120), 'e'.repeat(120));
  const lock = await lockFolder(deep);
  await assert.rejects(lockFolder(deep), FolderInUseError);
  const { said } = await otherProcess(deep);
  assert.equal(said, 'refused');
  await lock.release();
  await (await lockFolder(deep)).release();
});

test('a process holds it against others, and kill -9 frees it', async () => {
  await using folder = await makeFolder();
  const holder = await otherProcess(folder.path);
  assert.equal(holder.said, 'held');
  try {
    await assert.rejects(lockFolder(folder.path), FolderInUseError);
  } finally {
    await kill(holder.child);
  }
  await access(join(folder.path, 'in-use.sock')); // left behind, dead
  await (await lockFolder(folder.path)).release();
});

test('of many that come at once upon a dead socket, one gets it', async () => {
  await using folder = await makeFolder();
  await kill((await otherProcess(folder.path)).child);
  const tries = await Promise.all(Array.from({ length: 4 }, () => otherProcess(folder.path)));
  try {
    assert.deepEqual(tries.map(({ said }) => said).sort(), ['held', 'refused', 'refused', 'refused']);
  } finally {
    await Promise.all(tries.map(({ child }) => kill(child)));
  }
});

test('of many calls at once in one process, one gets it', async () => {
  await using folder = await makeFolder();
  await kill((await otherProcess(folder.path)).child);
  for (let round = 0; round < 10; round++) {
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder.path)));
    const held = tries.filter((result) => result.status === 'fulfilled');
    assert.equal(held.length, 1);
    await held[0]!.value.release();
  }
});
