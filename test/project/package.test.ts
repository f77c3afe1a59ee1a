/** What a stranger's first minute stands on: the manifest, the lock file, the launcher. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const json = async (file: string) => JSON.parse(await readFile(join(ROOT, file), 'utf8'));
const manifest = await json('package.json');
const lock = await json('package-lock.json');
const NEEDED = 24;

describe('the manifest', () => {
  test('pins every dependency to one version', () => {
    const groups = ['dependencies', 'optionalDependencies', 'devDependencies', 'overrides'];
    const pairs = groups.flatMap((group) => Object.entries<string>(manifest[group] ?? {}));
    assert.ok(pairs.length > 10);
    assert.deepEqual(
      pairs.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
      [],
    );
  });

  test('names no script whose program or tool is missing', () => {
    const missing: string[] = [];
    for (const [name, script] of Object.entries<string>(manifest.scripts)) {
      for (const command of script.split('&&').map((part) => part.trim().split(/\s+/))) {
        const files = command.filter((word) => /^[\w./-]+\.(ts|js)$/.test(word));
        const tool = command[0] === 'node' ? [] : [join('node_modules/.bin', command[0] ?? '')];
        for (const file of [...files, ...tool]) {
          if (!existsSync(join(ROOT, file))) missing.push(`${name}: ${file}`);
        }
      }
    }
    assert.deepEqual(missing, []);
  });
});

describe('the lock file', () => {
  const packages = Object.entries<Record<string, unknown>>(lock.packages).filter(([path]) => path !== '');

  test('knows the same dependencies as the manifest', () => {
    for (const group of ['dependencies', 'optionalDependencies', 'devDependencies']) {
      assert.deepEqual(lock.packages[''][group], manifest[group], group);
    }
  });

  test('names no host, so that any registry serves it', () => {
    assert.ok(packages.length > 50);
    assert.deepEqual(
      packages.filter(([, entry]) => 'resolved' in entry).map(([path]) => path),
      [],
    );
  });

  test('knows the digest of every package', () => {
    assert.deepEqual(
      packages.filter(([, entry]) => !entry.integrity).map(([path]) => path),
      [],
    );
  });
});

/** The first Node in the PATH that is too old for our sources. */
function findOldNode(): string | undefined {
  const nodes = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return nodes.filter(isExecutable).find((node) => {
    const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    return Number.parseInt(stdout.slice(1), 10) < NEEDED;
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A project of two files: the launcher, and a program that prints which Node runs it and with what arguments. */
async function setup(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'launcher-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'bin'));
  await copyFile(join(ROOT, 'bin/run.js'), join(folder, 'bin/run.js'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(
    join(folder, 'program.ts'),
    'const said: string = JSON.stringify([Number.parseInt(process.versions.node), process.argv.slice(2)]);\n' +
      'console.log(said);\nprocess.exitCode = 3;\n',
  );
  const run = (node: string): SpawnSyncReturns<string> =>
    spawnSync(node, ['bin/run.js', 'program.ts', '--json', 'a b'], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 30_000,
    });
  return { folder, run };
}

describe('the launcher', () => {
  const oldNode = findOldNode();
  const skip = oldNode ? false : `no Node older than ${NEEDED} in the PATH to try it with`;

  test('runs the program with its arguments and exit code', async (t) => {
    const { run } = await setup(t);
    const { stdout, status } = run(process.execPath);
    const [version, args] = JSON.parse(stdout);
    assert.ok(version >= NEEDED);
    assert.deepEqual(args, ['--json', 'a b']);
    assert.equal(status, 3);
  });

  test('on an old Node runs it on the Node that npm supplied', { skip }, async (t) => {
    const { folder, run } = await setup(t);
    await mkdir(join(folder, 'node_modules/node/bin'), { recursive: true });
    await symlink(process.execPath, join(folder, 'node_modules/node/bin/node'));
    const { stdout, status } = run(oldNode!);
    const [version, args] = JSON.parse(stdout);
    assert.ok(version >= NEEDED);
    assert.deepEqual(args, ['--json', 'a b']);
    assert.equal(status, 3);
  });

  test('on an old Node without one prints what to do', { skip }, async (t) => {
    const { run } = await setup(t);
    const { stdout, stderr, status } = run(oldNode!);
    assert.equal(status, 78);
    assert.equal(stdout, '');
    assert.match(stderr, /needs Node 24 or newer and found \d+\.\d+\.\d+/);
    assert.match(stderr, /npm ci/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });
});
