/** Bodies, timeouts and connections of downloads. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FailureError } from '../../../src/failures.ts';
import { bytesOf, downloadRequest, failureOf, JPEG, NEVER, open } from '../media/setup.ts';
import { closedPort, startHttpServer, startTcpServer } from '../servers.ts';

test('the end of a body is proven by its length or last chunk, and not by a closed connection', async (t) => {
  const chunk = `${JPEG.length.toString(16)}\r\n`;
  const wire = (head: string, ...rest: (string | Buffer)[]) =>
    Buffer.concat([`HTTP/1.1 200 OK\r\n${head}\r\n`, ...rest].map((part) => Buffer.from(part)));
  const bodies: [name: string, bytes: Buffer, proven: boolean][] = [
    ['length', wire(`Content-Length: ${JPEG.length}\r\n`, JPEG), true],
    ['chunked', wire('Transfer-Encoding: chunked\r\n', chunk, JPEG, '\r\n0\r\n\r\n'), true],
    ['closed', wire('Connection: close\r\n', JPEG), false],
  ];
  for (const [name, bytes, proven] of bodies) {
    const wechat = await startTcpServer(t, (socket) => socket.end(bytes));
    const media = await open(t, wechat.url).downloader.open(downloadRequest(), NEVER);
    assert.equal(media.endIsProven, proven, name);
    assert.deepEqual(await bytesOf(media.body), JPEG, name);
  }
  for (const cut of ['', '\r\n', '\r\n0\r\n', '\r\n0\r']) {
    const bytes = wire('Transfer-Encoding: chunked\r\n', chunk, JPEG, cut);
    const wechat = await startTcpServer(t, (socket) => socket.end(bytes));
    const { code } = await failureOf(t, wechat.url);
    assert.equal(code, 'body_too_short', JSON.stringify(cut));
  }
});

test('a body that is cut by FIN or RST does not end cleanly', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n';
  const beginnings = {
    length: `${head}Content-Length: 50000\r\n\r\n`,
    chunked: `${head}Transfer-Encoding: chunked\r\n\r\n4e2b\r\n`,
  };
  for (const [name, beginning] of Object.entries(beginnings)) {
    for (const cut of ['end', 'resetAndDestroy'] as const) {
      const wechat = await startTcpServer(t, (socket) => {
        socket.write(beginning);
        socket.write(JPEG.subarray(0, 10_000), () => setTimeout(() => socket[cut](), 20));
      });
      const { code } = await failureOf(t, wechat.url);
      assert.equal(code, cut === 'end' ? 'body_too_short' : 'network', `${name} ${cut}`);
    }
  }
  const tiny = await startTcpServer(t, (socket) => socket.end(`${beginnings.length}only this`));
  assert.equal((await failureOf(t, tiny.url)).code, 'body_too_short', 'cut within the first bytes');
});

test('a download ends with a timeout after inactivity, before the headers and in the body', async (t) => {
  const how = { idleTimeoutMs: 200 };
  const silent = await startTcpServer(t, () => {});
  assert.equal((await failureOf(t, silent.url, {}, how)).code, 'timeout');
  const stalled = await startTcpServer(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${JPEG.length}\r\n\r\n`);
    socket.write(JPEG.subarray(0, 10_000));
  });
  assert.equal((await failureOf(t, stalled.url, {}, how)).code, 'timeout');
});

test('a slow download ends at the total timeout', async (t) => {
  const trickling = await startHttpServer(t, (_request, response) => {
    response.write(JPEG);
    const timer = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(timer));
  });
  assert.equal((await failureOf(t, trickling.url, {}, { totalTimeoutMs: 300 })).code, 'timeout');
});

test("a download rejects with the reason of the caller's abort, before and in the body", async (t) => {
  const wechat = await startHttpServer(t, (_request, response) => response.write(JPEG));
  const { downloader } = open(t, wechat.url);
  const reason = new Error('lock lost');
  await assert.rejects(
    downloader.open(downloadRequest(), AbortSignal.abort(reason)),
    (error) => error === reason,
  );
  const controller = new AbortController();
  const media = await downloader.open(downloadRequest(), controller.signal);
  const read = bytesOf(media.body);
  controller.abort(reason);
  await assert.rejects(read, (error) => error === reason);
});

test('an abort closes the connection at once, and the next download uses another one', async (t) => {
  const sockets: Socket[] = [];
  const wechat = await startTcpServer(t, (socket) => {
    sockets.push(socket);
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${JPEG.length}\r\n\r\n`);
    // The first body stands still half-way.
    socket.write(sockets.length === 1 ? JPEG.subarray(0, 10_000) : JPEG);
  });
  const { downloader } = open(t, wechat.url, { idleTimeoutMs: 60_000, totalTimeoutMs: 60_000 });
  const leaving = new AbortController();
  const media = await downloader.open(downloadRequest(), leaving.signal);
  const reading = bytesOf(media.body);
  const closed = once(sockets[0]!, 'close', { signal: AbortSignal.timeout(5_000) });
  leaving.abort(new Error('closing'));
  await assert.rejects(reading, /closing/);
  await closed;
  media.discard();
  const again = await downloader.open(downloadRequest(), NEVER);
  assert.deepEqual(await bytesOf(again.body), JPEG);
  assert.equal(sockets.length, 2);
});

test('a refused connection is a network failure', async (t) => {
  assert.equal((await failureOf(t, `http://127.0.0.1:${await closedPort()}`)).code, 'network');
});

test('a body that is too large is refused by its length, or when it exceeds the limit', async (t) => {
  const announced = await startHttpServer(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '5000' }).write('x');
  });
  const streamed = await startHttpServer(t, (_request, response) => {
    response.write(JPEG.subarray(0, 900));
    response.end(JPEG);
  });
  for (const { url } of [announced, streamed]) {
    const failure = await failureOf(t, url, {}, { maxMediaBytes: 4_999 });
    assert.deepEqual([failure.code, failure.class], ['too_large', 'permanent_media']);
  }
});

test('a body that is discarded closes its connection, and a body read to the end keeps it open', async (t) => {
  const sockets = new Set<Socket>();
  let closed = () => {};
  const isClosed = new Promise<void>((resolved) => {
    closed = resolved;
  });
  const wechat = await startHttpServer(t, (request, response) => {
    sockets.add(request.socket);
    if (!request.url!.includes('endless')) return void response.end(JPEG);
    response.on('close', closed).write(JPEG);
  });
  const { downloader } = open(t, wechat.url);
  for (let index = 0; index < 20; index++)
    await bytesOf((await downloader.open(downloadRequest(), NEVER)).body);
  assert.equal(sockets.size, 1);
  const media = await downloader.open(downloadRequest({ mediaId: 'endless' }), NEVER);
  media.discard();
  media.discard();
  await isClosed;
});

test('a proxy that closes, refuses or does not respond gets one request', async (t) => {
  const proxies: [
    name: string,
    respond: (socket: Socket) => void,
    code: string,
    cause: string | undefined,
  ][] = [
    ['hangs up', (socket) => socket.destroy(), 'proxy_failed', 'PROXY_HTTP_NONE'],
    ['ends', (socket) => socket.end(), 'proxy_failed', 'PROXY_HTTP_NONE'],
    [
      'wants a password',
      (socket) => socket.end('HTTP/1.1 407 No\r\n\r\n'),
      'proxy_unauthenticated',
      'PROXY_HTTP_407',
    ],
    [
      'refuses with a page',
      (socket) => socket.write('HTTP/1.1 403 No\r\n\r\n<html>'),
      'proxy_refused',
      'PROXY_HTTP_403',
    ],
    ['talks on', (socket) => socket.write('x'.repeat(20_000)), 'proxy_unfit', 'PROXY_HTTP_0'],
    ['is silent', () => {}, 'proxy_failed', 'PROXY_HTTP_NONE'],
  ];
  for (const [name, respond, code, cause] of proxies) {
    const proxy = await startTcpServer(t, respond);
    const { downloader } = open(t, 'https://api.weixin.qq.com', {
      proxyUrl: proxy.url.replace('//', '//user:p%40ss@'),
      idleTimeoutMs: 300,
    });
    const error = await downloader.open(downloadRequest(), NEVER).catch((reason: unknown) => reason);
    assert.ok(error instanceof FailureError, name);
    assert.deepEqual([error.failure.code, error.cause ?? undefined], [code, cause ?? error.cause], name);
    assert.equal(proxy.heads.length, 1, name);
    assert.match(proxy.heads[0]!, /^CONNECT api\.weixin\.qq\.com:443 HTTP\/1\.1\r\n/);
    assert.match(proxy.heads[0]!, /\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n/);
  }
});

test('parallel downloads do not mix their bytes, and few idle connections remain', async (t) => {
  const sockets = new Set<Socket>();
  const wechat = await startHttpServer(t, (request, response) => {
    sockets.add(request.socket);
    const id = new URL(request.url!, 'http://x').searchParams.get('media_id')!;
    response.end(Buffer.concat([JPEG, createHash('sha256').update(id).digest()]));
  });
  const { downloader } = open(t, wechat.url, { maxIdleConnections: 4 });
  const download = async (index: number) => {
    const media = await downloader.open(downloadRequest({ mediaId: `m-${index}` }), NEVER);
    const bytes = await bytesOf(media.body);
    assert.deepEqual(bytes.subarray(-32), createHash('sha256').update(`m-${index}`).digest());
  };
  await Promise.all(Array.from({ length: 40 }, (_, index) => download(index)));
  const before = sockets.size;
  for (let index = 0; index < 10; index++) await download(index);
  assert.equal(sockets.size, before, 'idle connections are used again');
  const isOpen = () => [...sockets].filter((socket) => !socket.closed);
  while (isOpen().length > 4) await Promise.race(isOpen().map((socket) => once(socket, 'close')));
});

test('bytes after the announced length are detected, on a kept and on a closing connection', async (t) => {
  const size = JPEG.length;
  for (const connection of ['keep-alive', 'close']) {
    for (const beyond of [1, 70_000]) {
      const wechat = await startTcpServer(t, (socket, head) => {
        const isLying = head.includes('liar');
        const excess = isLying ? Buffer.alloc(beyond, 'x') : Buffer.alloc(0);
        const start = `HTTP/1.1 200 OK\r\nConnection: ${connection}\r\nContent-Length: ${size}\r\n\r\n`;
        socket.write(Buffer.concat([Buffer.from(start), JPEG, excess]));
        if (connection === 'close') socket.end();
      });
      const { downloader } = open(t, wechat.url);
      for (const mediaId of ['honest', 'honest', 'liar', 'honest', 'liar']) {
        const media = await downloader.open(downloadRequest({ mediaId }), NEVER);
        const read = bytesOf(media.body);
        if (mediaId === 'honest') assert.deepEqual(await read, JPEG);
        else await assert.rejects(read, /body_too_long/, `${connection}, ${beyond} beyond`);
      }
    }
  }
});
