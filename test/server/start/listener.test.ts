/** Requests that arrive while the service starts, and the change to the routes on the same socket. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createShutdown } from '../../../src/runtime/shutdown.ts';
import { problemSchema } from '../../../src/server/routes/problem-schema.ts';
import { announceStart } from '../../../src/server/start/message.ts';
import { type Listeners, openListeners, openServer } from '../../../src/server/start.ts';
import { KEYS, openTestServer, PLAIN, type TestServer } from '../setup.ts';

const HTML = { accept: 'text/html,application/xhtml+xml', 'accept-language': 'zh-CN,zh;q=0.9' };
const ADMIN = [{ name: 'admin', scopes: ['admin'], secret: KEYS.admin }] as const;

describe('a port whose routes are not ready yet', () => {
  let s: TestServer;
  let listeners: Listeners;
  let shutdown: ReturnType<typeof createShutdown>;
  before(async () => {
    s = await openTestServer();
    shutdown = createShutdown(s.context.log);
    const http = { ...s.context.config.http, port: 0, callbackPort: 0 };
    listeners = await openListeners({ http }, shutdown);
  });
  after(async () => {
    await shutdown.run('the test is over');
    await s.close();
  });
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(listeners.main.url + path, { method, headers, redirect: 'manual' });

  it('is alive and not ready', async () => {
    assert.deepEqual(await (await get('/livez')).json(), { status: 'ok', reasons: [] });
    const ready = await get('/readyz');
    assert.equal(ready.status, 503);
    assert.equal(((await ready.json()) as { status: string }).status, 'starting');
  });

  it('shows browsers a page in both languages that loads the same address again and executes nothing', async () => {
    const response = await get('/login?ticket=%22%3E%3Cscript%3E', HTML);
    assert.equal(response.status, 503);
    const page = await response.text();
    assert.match(page, /<meta http-equiv="refresh" content="2">/);
    assert.match(page, /<html lang="zh-CN">.*正在启动…….*<section lang="en"><h1>Starting …/s);
    assert.doesNotMatch(page, /script|ticket|https?:/);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(
      policy,
      /^default-src 'none'; style-src 'sha256-[\w+/]+='; img-src data:; base-uri 'none'; /,
    );
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(await (await get('/', HTML, 'HEAD')).text(), '');
  });

  it('refuses programs, forms and callbacks with a problem and Retry-After', async () => {
    const { url } = listeners.callbacks!;
    for (const [address, init] of [
      [`${listeners.main.url}/v1/media`, { headers: HTML }],
      [`${listeners.main.url}/`, {}],
      [`${listeners.main.url}/login`, { method: 'POST', headers: HTML, body: 'key=x' }],
      [`${listeners.main.url}/wechat/${PLAIN.account}`, { method: 'POST', body: 'x'.repeat(1_000_000) }],
      [`${url}/wechat/${PLAIN.account}?signature=x`, { method: 'POST', body: '<xml/>' }],
    ] as const) {
      const response = await fetch(address, init);
      assert.equal(response.status, 503, address);
      assert.equal(response.headers.get('retry-after'), '2');
      assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8');
      assert.equal((problemSchema.parse(await response.json()) as { code: string }).code, 'starting');
    }
  });

  it('uses up no login ticket, refuses no connection when the routes take over, and then serves all', async () => {
    const printed: string[] = [];
    announceStart(s.context.config, {
      isFirstStart: true,
      url: listeners.main.url,
      keys: ADMIN,
      print: (text) => printed.push(text),
    });
    const path = /(\/login\?ticket=\S+)/.exec(printed.join(''))?.[1] ?? '';
    for (let n = 0; n < 3; n++) assert.equal((await get(path, HTML)).status, 503);

    // A connection that is open before the change is served after it.
    const open = connect(Number(new URL(listeners.main.url).port), '127.0.0.1');
    await once(open, 'connect');
    const statuses: number[] = [];
    let isServed = false;
    const asking = (async () => {
      while (!isServed || statuses.at(-1) === 503) {
        const response = await get('/openapi.json', { authorization: `Bearer ${KEYS.admin}` });
        await response.body?.cancel();
        statuses.push(response.status);
      }
    })();
    const server = await openServer(s.context, { keys: ADMIN, listeners });
    isServed = true;
    await asking;
    assert.equal(server.url, listeners.main.url);
    assert.equal(statuses[0], 503);
    assert.equal(statuses.at(-1), 200);
    assert.deepEqual([...new Set(statuses)], [503, 200]);
    open.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
    const [answer] = (await once(open, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
    open.destroy();

    const first = await get(path, HTML);
    assert.deepEqual([first.status, first.headers.get('location')], [303, '/login']);
    assert.equal((await get(path, HTML)).status, 401);
    assert.equal((await fetch(`${listeners.callbacks!.url}/livez`)).status, 404);
  });
});

describe('a server that closes', () => {
  it('ends the requests in progress, closes their connections, and accepts no others', async () => {
    const s = await openTestServer();
    const { port } = new URL(s.url);
    const held = connect(Number(port), '127.0.0.1');
    await once(held, 'connect');
    held.write(
      `POST /v1/redrives HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEYS.admin}\r\n` +
        'content-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n',
    );
    await once(held, 'data'); // 100 Continue: the request is being read
    let received = '';
    held.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    const closed = once(held, 'close');
    const closing = s.close();
    await assert.rejects(async () => {
      for (;;) await (await fetch(`${s.url}/livez`)).text();
    });
    held.write('{}');
    await closed;
    await closing;
    assert.match(received, /^HTTP\/1\.1 4\d\d /);
  });
});
