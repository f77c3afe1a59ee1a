// `npm run build`: writes dist, the package that other programs install. It holds the producer and the command line as
// JavaScript for Node 20 and later; the service itself runs from the repository or from its image. dist has a manifest of
// its own, so `npm pack ./dist` and `npm publish ./dist` need nothing else.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const published = publishedManifest(manifest, packagesIn(dist));
writeFileSync(join(dist, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
for (const file of ['LICENSE', 'README.md']) copyFileSync(join(root, file), join(dist, file));

/** No `node` package, no scripts and no tools; of the dependencies only those that dist imports. */
function publishedManifest(manifest, imported) {
  const { name, version, description, license, type, engines, dependencies } = manifest;
  const missing = [...imported].filter((name) => !(name in dependencies));
  if (missing.length > 0)
    throw new Error(`dist imports what package.json does not list: ${missing.join(', ')}`);
  return {
    name,
    version,
    description,
    license,
    type,
    engines,
    main: './producer/producer.js',
    types: './producer/producer.d.ts',
    exports: {
      '.': { types: './producer/producer.d.ts', default: './producer/producer.js' },
      './package.json': './package.json',
    },
    bin: { wma: 'cli/main.js' },
    files: ['**/*.js', '**/*.d.ts'],
    dependencies: Object.fromEntries(Object.entries(dependencies).filter(([name]) => imported.has(name))),
  };
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
