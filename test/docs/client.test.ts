/** Every example of docs/client.md and of the package's README, run as it stands; only the address is put in. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { idOf } from '../../src/media.ts';
import { createClient } from '../../src/producer/client/client.ts';
import { photoOf, picture } from '../server/routes/media/preview-items.ts';
import { KEYS, openTestServer, PLAIN, reference, type TestServer } from '../server/setup.ts';

const run = promisify(execFile);
const LIMIT_MS = 60_000;
const PACKAGE = new URL('../../src/producer/package.ts', import.meta.url).href;
const examplesOf = (path: string) => {
  const page = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  return [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code!);
};
const [adding, linking, telling, failing, ...others] = examplesOf('docs/client.md');
const [readme] = examplesOf('src/producer/README.md');
const photo = await photoOf();

test('every example is tried by a test below', () => {
  assert.ok(adding && linking && telling && failing && readme);
  assert.deepEqual(others, []);
});

describe('an example', () => {
  let server: TestServer;
  before(async () => {
    server = await openTestServer();
  });
  after(() => server.close());
  const archive = (labels?: Record<string, string>) =>
    server.createArchived(reference(labels ? { labels } : {}), picture(photo));

  /** Writes an example as a program in a folder of its own. */
  async function write(t: TestContext, code: string): Promise<{ folder: string; file: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'wma-client-example-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'main.mjs');
    const placed = code
      .replaceAll('wechat-media-archiver', PACKAGE)
      .replaceAll(/https?:\/\/(127\.0\.0\.1:8080|archiver\.example\.com)/g, server.url);
    await writeFile(file, placed);
    return { folder, file };
  }
  const environment = (key: keyof typeof KEYS) => ({ ...process.env, ARCHIVER_KEY: KEYS[key] });

  async function stdoutOf(t: TestContext, code: string, key: keyof typeof KEYS, ...args: string[]) {
    const { folder, file } = await write(t, code);
    const options = { cwd: folder, env: environment(key), timeout: LIMIT_MS };
    const { stdout } = await run(process.execPath, [file, ...args], options);
    return { stdout, folder };
  }

  /** Starts an example that has no end; ended when the test is over. */
  async function start(t: TestContext, code: string, key: keyof typeof KEYS) {
    const { folder, file } = await write(t, code);
    const child: ChildProcess = spawn(process.execPath, [file], { cwd: folder, env: environment(key) });
    const ended = once(child, 'close');
    t.after(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    let output = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (data) => (output += String(data)));
    const until = async (pattern: RegExp) => {
      for (const endsAt = performance.now() + LIMIT_MS; !pattern.test(output); ) {
        assert.ok(performance.now() < endsAt && child.exitCode === null, output);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    return { folder, until, child, ended, output: () => output };
  }

  test('adds one and many, and saves the files of a list', async (t) => {
    const id = await archive({ shop: '7' });
    const { stdout, folder } = await stdoutOf(t, adding!, 'write');
    const added = idOf(PLAIN.account, 'media-from-client');
    assert.match(stdout, new RegExp(`^${added} pending\n${idOf(PLAIN.account, 'first-of-many')}\n.*account`));
    assert.deepEqual(await readFile(join(folder, id)), photo);
  });

  test('makes a link, and reads a thumbnail', async (t) => {
    const { stdout } = await stdoutOf(t, linking!, 'read', await archive());
    const [, url, size] = /^(http\S+) 20\S+Z\n(\d+)\n$/.exec(stdout) ?? assert.fail(stdout);
    assert.equal((await fetch(url!)).status, 200);
    assert.ok(Number(size) > 0 && Number(size) < photo.length);
  });

  test('is told of events, and goes on from its cursor in the next run', async (t) => {
    const client = createClient({ url: server.url, key: KEYS.read });
    const first = await start(t, telling!, 'read');
    await archive();
    await first.until(/stored: .*\.jpg/);
    while (!existsSync(join(first.folder, 'cursor'))) await new Promise((resolve) => setTimeout(resolve, 20));
    await server.createDead(reference({ mediaId: 'dead-of-the-example' }));
    await first.until(/given up: \S/);
    // The cursor is that of an event: what follows it is at most what the program has not processed yet.
    const after = await readFile(join(first.folder, 'cursor'), 'utf8');
    await archive();
    const signal = AbortSignal.timeout(LIMIT_MS);
    for await (const { type } of client.events({ after, types: ['media.archived'], signal })) {
      assert.equal(type, 'media.archived');
      break;
    }
  });

  test('prints what the server refuses, in Chinese', async (t) => {
    const { stdout } = await stdoutOf(t, failing!, 'write');
    assert.match(stdout, /^400 invalid_request .*\p{Script=Han}.*field: 'kind'/su);
  });

  test('of the README adds, lists, and is told of the next file', async (t) => {
    await archive({ shop: '7' });
    // Its event has its position before the program asks for what comes from now on.
    while ((await server.context.catalogue.events.sequence()).hasMore);
    const program = await start(t, readme!, 'write');
    const waits = async () => (await server.context.metrics.eventReaders.get()).values[0]?.value === 1;
    while (!(await waits())) await new Promise((resolve) => setTimeout(resolve, 20));
    const id = await archive();
    await program.until(new RegExp(`${id} \\S+`));
    await program.ended;
    assert.equal(program.child.exitCode, 0);
    assert.match(program.output(), new RegExp(idOf(PLAIN.account, 'media-from-readme')));
  });
});
