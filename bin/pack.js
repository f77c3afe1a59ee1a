// `npm pack` and `npm publish`. What is published is the producer and the command line, as JavaScript for Node 20 and
// later: the program itself runs from the repository or from its image. npm packs the package.json it finds, so this one is replaced
// while it does: `prepare` builds dist and writes the published manifest, `restore` brings ours back.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const manifestFile = join(root, 'package.json');
const wholeFile = join(dist, 'package.json.whole');

restore();
if (process.argv[2] === 'prepare') prepare();

function restore() {
  if (!existsSync(wholeFile)) return;
  writeFileSync(manifestFile, readFileSync(wholeFile));
  rmSync(wholeFile);
}

function prepare() {
  rmSync(dist, { recursive: true, force: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2], // stdout is npm's, for the name of the tarball
  });
  if (status !== 0) process.exit(1);
  const whole = readFileSync(manifestFile, 'utf8');
  const published = publishedManifest(JSON.parse(whole), packagesIn(dist));
  writeFileSync(wholeFile, whole);
  writeFileSync(manifestFile, `${JSON.stringify(published, null, 2)}\n`);
}

/** No `node`, which is for the programs; no scripts, which start them; of the dependencies those that dist imports. */
function publishedManifest(manifest, imported) {
  const {
    private: _,
    scripts,
    devDependencies,
    optionalDependencies,
    overrides,
    allowScripts,
    ...kept
  } = manifest;
  const pairs = Object.entries(manifest.dependencies).filter(([name]) => imported.has(name));
  const missing = [...imported].filter((name) => !(name in manifest.dependencies));
  if (missing.length > 0)
    throw new Error(`dist imports what package.json does not list: ${missing.join(', ')}`);
  return { ...kept, bin: { wma: 'dist/cli/main.js' }, dependencies: Object.fromEntries(pairs) };
}

/** The packages that the files of a folder import, statically or dynamically. */
function packagesIn(folder) {
  const names = new Set();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.js')) continue;
    const text = readFileSync(join(folder, file), 'utf8');
    for (const [, name] of text.matchAll(
      /^(?:import|export) (?:[^'"]* from )?'((?:@[^/']+\/)?[^./'][^/']*)/gm,
    ))
      names.add(name);
    for (const [, name] of text.matchAll(/\bimport\('((?:@[^/']+\/)?[^./'][^/']*)/g)) names.add(name);
  }
  return new Set([...names].filter((name) => !name.startsWith('node:')));
}
