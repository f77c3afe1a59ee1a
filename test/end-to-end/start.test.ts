/** What an operator sees: the first start, the second, the end, and every start that fails. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../machine/server.ts';
import { postgresForTest } from '../machine/services.ts';
import { folderForTest, startProgram, until, untilReady } from './programs.ts';

const MAIN = 'src/main.ts';
const ACCOUNT = {
  WECHAT_APP_ID: 'wx0123456789abcdef',
  WECHAT_APP_SECRET: '0123456789abcdef0123456789abcdef',
  WECHAT_TOKEN: 'token0123456789',
  ALLOW_EMBEDDED: '1',
};

test('the first start prints all addresses and archives; a second one on the folder refuses; signals end it', async (t) => {
  const folder = await folderForTest(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const program = startProgram(t, { file: MAIN, folder, env: { PORT: String(port) } });
  const [, page = ''] = await program.untilOutput(/(http:\S+\/login\?ticket=\S+)/);
  await program.untilOutput(/WeChat is SIMULATED/);
  assert.match(program.stdout(), new RegExp(`${url}/wechat/wx\\w+`));
  assert.equal((await fetch(page)).status, 200);

  const keyFile = join(folder, 'data/api-key');
  assert.ok(program.stdout().includes(keyFile));
  assert.equal((await stat(keyFile)).mode & 0o777, 0o600);
  const authorization = `Bearer ${(await readFile(keyFile, 'utf8')).trim()}`;
  await until('an item is archived and its link opens', async () => {
    const answer = await fetch(`${url}/v1/media?status=archived&include=link`, {
      headers: { authorization },
    });
    const { items } = (await answer.json()) as { items: { link: { url: string } }[] };
    return items[0] && (await fetch(items[0].link.url)).ok;
  });

  const second = startProgram(t, { file: MAIN, folder, env: { PORT: '0' } });
  assert.deepEqual(await second.exit(), { code: 78, signal: null });
  assert.match(second.stderr(), /^Another copy of this program is running on the folder .*set DATA_DIR/m);
  assert.equal(second.stdout(), '');

  const third = startProgram(t, { file: MAIN, folder, env: { PORT: String(port), DATA_DIR: 'other' } });
  assert.equal((await third.exit()).code, 78);
  assert.match(third.stderr(), new RegExp(`Port ${port} on 127.0.0.1 is used by another program.*set PORT`));

  assert.deepEqual(await program.end('SIGTERM'), { code: 0, signal: null });
  assert.doesNotMatch(program.stderr(), /shutdown: step failed/);
});

test('a second signal ends the program at once, also during a response', async (t) => {
  const folder = await folderForTest(t);
  const port = await freePort();
  const program = startProgram(t, { file: MAIN, folder, env: { PORT: String(port) } });
  await untilReady(`http://127.0.0.1:${port}`);
  // A request whose body does not end keeps the first step of closing waiting for five seconds.
  const key = (await readFile(join(folder, 'data/api-key'), 'utf8')).trim();
  const stuck = connect(port, '127.0.0.1');
  t.after(() => stuck.destroy());
  stuck.on('error', () => undefined);
  stuck.write(
    'POST /v1/media HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
      `content-length: 100\r\nexpect: 100-continue\r\nauthorization: Bearer ${key}\r\n\r\n`,
  );
  await once(stuck, 'data'); // 100 Continue: the request is being read
  process.kill(program.pid, 'SIGTERM');
  await program.untilOutput(/"msg":"closing"/);
  assert.deepEqual(await program.end('SIGTERM'), { code: 143, signal: null });
});

test('a link that is printed before the database is ready signs in as soon as it is', async (t) => {
  const folder = await folderForTest(t);
  const port = await freePort();
  const program = startProgram(t, { file: MAIN, folder, env: { PORT: String(port), LC_ALL: 'C' } });
  const [, link = ''] = await program.untilOutput(
    /creates the embedded database[\s\S]*?(http:\S+\/login\?ticket=\S+)/,
  );
  const headers = { accept: 'text/html' };
  const page = await (await fetch(link, { headers, redirect: 'manual' })).text();
  const cookie = page.includes('http-equiv="refresh" content="2"')
    ? await until('the link signs in', async () => {
        const response = await fetch(link, { headers, redirect: 'manual' });
        return response.status === 303 && response.headers.getSetCookie()[0]?.split(';')[0];
      })
    : undefined;
  assert.ok(cookie, 'it opens a page that waits');
  assert.equal((await fetch(`http://127.0.0.1:${port}/v1/media`, { headers: { cookie } })).status, 200);
  const url = `http://127.0.0.1:${port}`;
  const wma = startProgram(t, { file: 'src/cli/main.ts', args: ['login'], folder, env: { WMA_URL: url } });
  assert.equal((await wma.exit()).code, 0, wma.stderr());
  assert.match(wma.stdout(), /^http:\S+\/login\?ticket=\S+\n$/);
});

describe('a program without its database waits for it, is ready for callbacks, and reports what is missing', () => {
  const start = async (t: TestContext, address: string, format: 'json' | 'text') => {
    const port = await freePort();
    const program = startProgram(t, {
      file: MAIN,
      folder: await folderForTest(t),
      env: {
        ...ACCOUNT,
        PORT: String(port),
        DATABASE_URL: `postgres://u:hidden@${address}/x`,
        LOG_FORMAT: format,
      },
    });
    await program.untilOutput(/database: no response from DATABASE_URL/);
    await program.untilOutput(/Database +PROBLEM +The catalogue does not respond[\s\S]*Check the database/);
    assert.equal(/^\{"level":/m.test(program.stderr()), format === 'json');
    assert.equal(/^\[\d\d:\d\d:\d\d\] WARN: /m.test(program.stderr()), format === 'text');
    await untilReady(`http://127.0.0.1:${port}`);
    const ready = (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as { status: string };
    assert.equal(ready.status, 'degraded');
    assert.deepEqual(await program.end('SIGTERM'), { code: 0, signal: null });
    assert.doesNotMatch(program.stderr(), /hidden|shutdown: step failed/);
  };

  test('when the port is closed', (t) => start(t, '127.0.0.1:1', 'json'));

  test('when the server accepts connections and never responds', async (t) => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.after(() => silent.close());
    await start(t, `127.0.0.1:${(silent.address() as { port: number }).port}`, 'text');
  });
});

describe('a start that fails ends with a sentence and an exit code', () => {
  const refusals: [
    what: string,
    env: Record<string, string>,
    expected: { code: number; says: RegExp },
    file?: string,
  ][] = [
    [
      'DATA_DIR below a file',
      { DATA_DIR: 'file/data' },
      { code: 78, says: /file, not a folder.*Set DATA_DIR/ },
    ],
    ['DATA_DIR is a file', { DATA_DIR: 'file' }, { code: 78, says: /file, not a folder.*Set DATA_DIR/ }],
    [
      'a file in the place of the database',
      { DATA_DIR: 'damaged' },
      { code: 78, says: /damaged\/database cannot/ },
    ],
    [
      'an account beside embedded parts',
      { ...ACCOUNT, ALLOW_EMBEDDED: '' },
      { code: 78, says: /DATABASE_URL is missing: a real account.*\n.*S3_BUCKET is missing/ },
    ],
    [
      'production with nothing configured',
      { NODE_ENV: 'production' },
      { code: 78, says: /DATABASE_URL.*\n.*S3_BUCKET.*\n.*API_KEYS is missing: production/ },
    ],
    [
      'a worker without a database',
      {},
      { code: 78, says: /DATABASE_URL is missing: npm run worker/ },
      'workers/archive.ts',
    ],
    [
      'a sweeper without a database',
      {},
      { code: 78, says: /DATABASE_URL is missing: npm run sweep/ },
      'workers/sweep.ts',
    ],
    [
      'a server without a database',
      {},
      { code: 78, says: /DATABASE_URL is missing: npm run server/ },
      'src/server/main.ts',
    ],
  ];
  for (const [what, env, { code, says }, file = MAIN] of refusals) {
    test(what, async (t) => {
      const folder = await folderForTest(t);
      await writeFile(join(folder, 'file'), '');
      await mkdir(join(folder, 'damaged'));
      await writeFile(join(folder, 'damaged/database'), '');
      const program = startProgram(t, { file, folder, env: { PORT: '0', LOG_LEVEL: 'error', ...env } });
      assert.deepEqual(await program.exit(), { code, signal: null }, program.stderr());
      assert.match(program.stderr(), says);
      assert.doesNotMatch(program.stderr(), /\n {4}at |hidden/);
    });
  }

  test('a database of another name', async (t) => {
    const database = await postgresForTest(t);
    if (!database) return;
    const program = startProgram(t, {
      file: MAIN,
      folder: await folderForTest(t),
      env: { ...ACCOUNT, PORT: '0', DATABASE_URL: `${database}_nowhere` },
    });
    assert.equal((await program.exit()).code, 78);
    assert.match(program.stderr(), /The database of DATABASE_URL refuses: .*does not exist/);
  });

  test('a broken .env: all mistakes at once', async (t) => {
    const folder = await folderForTest(
      t,
      'PORT=99999\nS3_BUKET=x\nLOG_LEVEL=loud\nFETCH_IDLE_TIMEOUT=soon\n',
    );
    const program = startProgram(t, { file: MAIN, folder });
    assert.equal((await program.exit()).code, 78);
    for (const said of [
      /PORT must be .* Example: PORT=/,
      /did you mean S3_BUCKET/,
      /LOG_LEVEL must/,
      /FETCH_IDLE_TIMEOUT must/,
    ])
      assert.match(program.stderr(), said);
  });
});
