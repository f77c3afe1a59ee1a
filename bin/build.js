// `npm run build`: writes dist, the package that other programs install. It holds the client and the producer (lib, as
// CommonJS, which every Node since 20 and every test runner can load by import and by require) and the command line
// (bin); the service itself runs from the repository or from its image. dist has a manifest of its own, so
// `npm pack ./dist` and `npm publish ./dist` need nothing else.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const LIBRARY = 'lib/producer/package';
const COMMAND = 'bin/cli/main';
/**
 * What only one way of producing needs: a program that uses it installs it. The ranges are wide, because npm installs
 * nothing beside a version outside them, not even for a program that uses only the client. Tried with bullmq 5.81,
 * ioredis 5.11 and pg 8.11, and with the versions of package.json.
 */
const OPTIONAL_PEERS = { bullmq: '5 || 6', ioredis: '5 || 6', pg: '^8.11.0' };

rmSync(dist, { recursive: true, force: true });
for (const project of ['tsconfig.build.json', 'tsconfig.library.json']) compile(project);
// The compiler also writes what is imported only for its types.
removeOthers(
  new Set([
    ...reachable(join(dist, `${COMMAND}.js`)),
    ...reachable(join(dist, `${LIBRARY}.js`)),
    ...reachable(join(dist, `${LIBRARY}.d.ts`)),
  ]),
);
const types = packagesIn('lib', '.d.ts');
if (types.size > 0) throw new Error(`the types need packages: ${[...types].join(', ')}`);
const needed = [...packagesIn('bin', '.js')].filter((name) => name in OPTIONAL_PEERS);
if (needed.length > 0) throw new Error(`wma needs packages that are optional: ${needed.join(', ')}`);

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const published = publishedManifest(
  manifest,
  new Set([...packagesIn('bin', '.js'), ...packagesIn('lib', '.js')]),
);
writeJson('package.json', published);
writeJson('lib/package.json', { type: 'commonjs' });
await writeEntry();
copyFileSync(join(root, 'LICENSE'), join(dist, 'LICENSE'));
copyFileSync(join(root, 'src/producer/README.md'), join(dist, 'README.md'));
if (!manifest.repository)
  console.error('package.json names no repository. Before you publish: npm pkg set repository=<its address>');

function compile(project) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', project], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

/** No `node` package, no scripts and no tools; of the dependencies only those that dist imports. */
function publishedManifest(manifest, imported) {
  const { name, version, description, keywords, license, repository, homepage, bugs, type } = manifest;
  const missing = [...imported].filter((name) => !(name in manifest.dependencies));
  if (missing.length > 0)
    throw new Error(`dist imports what package.json does not list: ${missing.join(', ')}`);
  // Ranges, so that a program which uses the same package has it once.
  const dependencies = Object.entries(manifest.dependencies)
    .filter(([name]) => imported.has(name) && !(name in OPTIONAL_PEERS))
    .map(([name, version]) => [name, `^${version}`]);
  return {
    name,
    version,
    description,
    keywords,
    license,
    ...(repository ? { repository } : {}),
    ...(homepage ? { homepage } : {}),
    ...(bugs ? { bugs } : {}),
    type,
    // node:crypto has `hash` since 20.12.
    engines: { node: '>=20.12' },
    main: `./${LIBRARY}.js`,
    types: `./${LIBRARY}.d.ts`,
    exports: {
      '.': {
        import: { types: './index.d.ts', default: './index.js' },
        require: { types: `./${LIBRARY}.d.ts`, default: `./${LIBRARY}.js` },
      },
      './package.json': './package.json',
    },
    bin: { wma: `${COMMAND}.js` },
    files: ['**/*.js', '**/*.d.ts', 'lib/package.json'],
    dependencies: Object.fromEntries(dependencies),
    peerDependencies: OPTIONAL_PEERS,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(OPTIONAL_PEERS).map((name) => [name, { optional: true }]),
    ),
  };
}

/** import gets the same code as require, so that a class such as ClientError exists once in a program. */
async function writeEntry() {
  const { default: library } = await import(pathToFileURL(join(dist, `${LIBRARY}.js`)).href);
  const names = Object.keys(library).sort().join(', ');
  writeFileSync(join(dist, 'index.js'), `export { ${names} } from './${LIBRARY}.js';\n`);
  writeFileSync(join(dist, 'index.d.ts'), `export * from './${LIBRARY}.js';\n`);
}

function writeJson(path, value) {
  writeFileSync(join(dist, path), `${JSON.stringify(value, null, 2)}\n`);
}

/** What a file names in import, export … from, import() and require(). */
function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  return [
    ...text.matchAll(/(?:^(?:import|export) (?:[^'"]* from )?|\b(?:import|require)\()['"]([^'"]+)['"]/gm),
  ].map(([, name]) => name);
}

/** The files that a file reaches by imports, itself included. Declarations name the JavaScript of their neighbours. */
function reachable(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const name of importsOf(file)) {
    if (!name.startsWith('.')) continue;
    const target = join(dirname(file), name);
    reachable(file.endsWith('.d.ts') ? target.replace(/\.[jt]s$/, '.d.ts') : target, found);
  }
  return found;
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function removeOthers(wanted) {
  for (const file of wanted)
    if (!existsSync(file)) throw new Error(`${file} is imported, but was not written`);
  for (const file of filesOf(dist)) if (!wanted.has(file)) rmSync(file);
}

/** The packages that the files of a folder import, statically or dynamically. */
function packagesIn(folder, extension) {
  const names = filesOf(join(dist, folder))
    .filter((file) => file.endsWith(extension))
    .flatMap(importsOf)
    .filter((name) => !/^(\.|node:)/.test(name))
    .map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)[0]);
  return new Set(names);
}
