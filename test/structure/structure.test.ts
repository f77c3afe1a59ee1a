/** The rules of the architecture, applied to the sources; and the rules themselves, applied to bad ones. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  builtinsWithoutPrefix,
  circles,
  crowdedFolders,
  FOLDER_LIMIT,
  filesTooLong,
  foldersWithoutAnOrder,
  importersOfBullmq,
  importsAgainstTheLayers,
  importsAgainstTheOrder,
  importsOfNothing,
  LINE_LIMIT,
  readersOfTheEnvironment,
  unreachable,
} from './rules.ts';
import { ROOT, readSource, readSources } from './sources.ts';

/** Data are long where the world is; code is not. */
const LONG_FOR_A_REASON: Record<string, string> = {
  'src/config/schema.ts': 'one entry for each variable, with its example and its words',
  'src/producer/client/api-types.ts': 'generated: one line for each field of the API',
};

const sources = await readSources(['src', 'workers']);
const tests = await readSources(['test', 'bench', 'bin', 'docs']);

/** What npm scripts, `bin` and `exports` start or offer. */
async function programs(): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const told = JSON.stringify([manifest.scripts, manifest.bin, manifest.exports]);
  const started = [...told.matchAll(/(?:src|workers)\/[\w./-]+\.ts/g)].map(([path]) => path);
  return [...started, ...sources.map(({ path }) => path).filter((path) => path.startsWith('workers/'))];
}

describe('the sources', () => {
  test('has sources to look at', () => {
    assert.ok(sources.length > 10);
    assert.ok(tests.some(({ path }) => path === 'test/structure/structure.test.ts'));
  });
  test('imports go down the layers, never up, never sideways', () =>
    assert.deepEqual(importsAgainstTheLayers(sources), []));
  test('imports between sibling folders follow their order', () =>
    assert.deepEqual([...importsAgainstTheOrder(sources), ...foldersWithoutAnOrder(sources)], []));
  test('no files import each other in a circle', () => assert.deepEqual(circles(sources), []));
  test('no folder holds more files than a reader takes in', () =>
    assert.deepEqual(crowdedFolders(sources, {}), []));
  test('every import leads to a file', () => {
    const exists = (path: string) => existsSync(join(ROOT, path));
    assert.deepEqual(importsOfNothing([...sources, ...tests], exists), []);
  });
  test('only the configuration reads the environment', () =>
    assert.deepEqual(readersOfTheEnvironment(sources), []));
  test('only the queue knows BullMQ', () => assert.deepEqual(importersOfBullmq(sources), []));
  test("Node's own modules are imported by their prefix", () =>
    assert.deepEqual(builtinsWithoutPrefix([...sources, ...tests]), []));
  test(`no file is longer than ${LINE_LIMIT} lines without a reason`, () =>
    assert.deepEqual(filesTooLong(sources, LONG_FOR_A_REASON), []));
  test('no two migrations have one number: the second would never be applied', async () => {
    const names = await readdir(join(ROOT, 'src/catalogue/migrations'));
    const numbers = names.map((name) => Number.parseInt(name, 10));
    assert.ok(numbers.length > 0 && numbers.every((number) => number > 0));
    assert.equal(new Set(numbers).size, numbers.length, names.join(', '));
  });
  test('every file is part of a program or of a test', async () => {
    const roots = [...(await programs()), ...tests.map(({ path }) => path)];
    assert.deepEqual(unreachable([...sources, ...tests], roots), []);
  });
});

describe('a rule', () => {
  const up = (path: string, text: string) => importsAgainstTheLayers([readSource(path, text)]);

  for (const [path, text] of [
    ['src/media.ts', "import { x } from './wechat/api/client.ts';"],
    ['src/wechat/api/client.ts', "import type { Store } from '../../storage/store.ts';"],
    ['src/storage/store.ts', "export { archive } from '../pipeline/archive/archive.ts';"],
    ['src/queue/queue.ts', "const { x } = await import('../catalogue/rows.ts');"],
    ['src/pipeline/archive/archive.ts', "type App = import('../../server/app.ts').App;"],
    ['src/pipeline/archive/archive.ts', "import { openAppContext } from '../../app/app-context.ts';"],
    ['src/simulator/main.ts', "import { readCallback } from '../wechat/callback/read-callback.ts';"],
    ['src/server/main.ts', "import { openSimulator } from '../simulator/server.ts';"],
    ['src/cli/main.ts', "import { createApp } from '../server/app.ts';"],
    ['src/server/main.ts', "import '../main.ts';"],
    ['workers/archive.ts', "import './sweep.ts';"],
    ['src/demo/main.ts', "import { createApp } from '../server/app.ts';"],
    ['src/pipeline/archive/archive.ts', "import { startRedis } from '../../../test/machine/services.ts';"],
    [
      'src/wechat/api/client.ts',
      "new Worker(new URL('../../pipeline/archive/archive.ts', import.meta.url));",
    ],
    ['src/utils/dates.ts', ''],
  ] as const) {
    test(`refuses in ${path}: ${text || 'the file itself'}`, () => assert.equal(up(path, text).length, 1));
  }

  for (const [path, text] of [
    ['src/wechat/api/client.ts', "import { failure } from '../../failures.ts'; import './response.ts';"],
    ['src/pipeline/archive/archive.ts', "import type { Store } from '../../storage/store.ts';"],
    [
      'src/main.ts',
      "import './server/app.ts'; import './simulator/server.ts'; import './app/app-context.ts';",
    ],
    ['src/demo/main.ts', "import '../simulator/server.ts'; import '../app/app-context.ts';"],
    ['workers/archive.ts', "import '../src/app/app-context.ts'; // import './sweep.ts'"],
    ['src/demo/service.ts', "spawn(process.execPath, [new URL('../main.ts', import.meta.url).pathname]);"],
    ['src/catalogue/database/migrate.ts', "const folder = new URL('../migrations/', import.meta.url);"],
  ] as const) {
    test(`allows in ${path}: ${text}`, () => assert.deepEqual(up(path, text), []));
  }

  test('sees an import against the order of sibling folders, and a folder without a place in it', () => {
    const order = { 'src/a': ['low', 'high'] };
    const of = (path: string, text: string) => importsAgainstTheOrder([readSource(path, text)], order);
    assert.equal(of('src/a/low/x.ts', "import type { Y } from '../high/y.ts'").length, 1);
    assert.equal(of('src/a/other/x.ts', '').length, 1);
    assert.deepEqual(of('src/a/high/x.ts', "import '../low/y.ts'; import './z.ts'"), []);
    assert.deepEqual(of('src/a/low/x.ts', "import '../top.ts'"), []);
    const flatFirst = { 'src/a': ['.', 'low'] };
    const flat = readSource('src/a/top.ts', "import './low/y.ts'");
    assert.equal(importsAgainstTheOrder([flat], flatFirst).length, 1);
    const nested = [readSource('src/b/one/x.ts', ''), readSource('src/b/two/y.ts', '')];
    assert.equal(foldersWithoutAnOrder(nested, order).length, 1);
    assert.deepEqual(foldersWithoutAnOrder(nested.slice(1), order), []);
  });

  test('sees a circle of files, made of type imports too', () => {
    const sources = [
      readSource('src/a.ts', "import type { B } from './b.ts'"),
      readSource('src/b.ts', "import './c.ts'"),
      readSource('src/c.ts', "export { x } from './a.ts'"),
      readSource('src/d.ts', "import './a.ts'"),
    ];
    assert.deepEqual(circles(sources), ['src/a.ts → src/b.ts → src/c.ts → src/a.ts']);
    assert.deepEqual(circles(sources.slice(1)), []);
  });

  test('sees a crowded folder, and an excuse that is not needed', () => {
    const many = Array.from({ length: FOLDER_LIMIT + 1 }, (_, n) => readSource(`src/a/${n}.ts`, ''));
    assert.equal(crowdedFolders(many, {}).length, 1);
    assert.deepEqual(crowdedFolders(many, { 'src/a': 'data' }), []);
    assert.equal(crowdedFolders([], { 'src/a': 'data' }).length, 1);
  });

  for (const text of [
    'process.env.PORT',
    "process['env']",
    'const { env } = process',
    "import 'node:process'",
  ]) {
    test(`sees the environment in: ${text}`, () => {
      assert.equal(readersOfTheEnvironment([readSource('src/server/app.ts', text)]).length, 1);
      assert.deepEqual(readersOfTheEnvironment([readSource('src/config/config.ts', text)]), []);
    });
  }

  test('sees no environment in a comment, a text or a member called env', () => {
    const text = "// process.env\nconst help = 'process.env'; options.env; process.pid";
    assert.deepEqual(readersOfTheEnvironment([readSource('src/server/app.ts', text)]), []);
  });

  test('sees BullMQ outside the queue, as a type and as a subpath too', () => {
    const text = "import type { Job } from 'bullmq';";
    assert.equal(importersOfBullmq([readSource('src/pipeline/dispatch/dispatcher.ts', text)]).length, 1);
    assert.equal(importersOfBullmq([readSource('src/main.ts', "import 'bullmq/dist/x.js'")]).length, 1);
    assert.deepEqual(importersOfBullmq([readSource('src/queue/queue.ts', text)]), []);
  });

  test('sees a built-in module without its prefix', () => {
    assert.equal(
      builtinsWithoutPrefix([readSource('src/a.ts', "import 'fs/promises'; import 'pg'")]).length,
      1,
    );
  });

  test('sees a file that is too long, and an excuse that is not needed', () => {
    const long = readSource('src/a.ts', '\n'.repeat(LINE_LIMIT + 1));
    assert.equal(filesTooLong([long], {}).length, 1);
    assert.deepEqual(filesTooLong([long], { 'src/a.ts': 'data' }), []);
    assert.equal(filesTooLong([], { 'src/a.ts': 'data' }).length, 1);
  });

  test('sees a file that nothing reaches, even where two such files import each other', () => {
    const sources = [
      readSource('src/main.ts', "import './a.ts'"),
      readSource('src/a.ts', ''),
      readSource('src/b.ts', "import './c.ts'"),
      readSource('src/c.ts', "import './b.ts'"),
    ];
    assert.deepEqual(unreachable(sources, ['src/main.ts']), [
      'src/b.ts is reached by nothing',
      'src/c.ts is reached by nothing',
    ]);
  });

  test('sees an import that leads nowhere', () => {
    assert.equal(importsOfNothing([readSource('src/a.ts', "import './gone.ts'")], () => false).length, 1);
  });
});
