import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { FailureError } from '../../../src/failures.ts';
import {
  createDownloader,
  type DownloaderOptions,
  type DownloadRequest,
} from '../../../src/wechat/media/download.ts';
import { account } from '../callback/vectors.ts';
import { closedPort, startHttpServer, startTcpServer } from '../servers.ts';

const TOKEN = 'TOKEN-of-the-account-0123456789';
const NEVER = new AbortController().signal;
const JPEG = Buffer.concat([Buffer.from('ffd8ffe000104a46494600', 'hex'), Buffer.alloc(20_000, 'j')]);
const MP4 = Buffer.concat([
  Buffer.from('0000001866747970', 'hex'),
  Buffer.from('mp42'),
  Buffer.alloc(9_000, 'v'),
]);

function open(t: TestContext, baseUrl: string, more: Partial<DownloaderOptions> = {}) {
  const warnings: object[] = [];
  const insecure: string[] = [];
  const downloader = createDownloader({
    baseUrl,
    allowHosts: [],
    idleTimeoutMs: 2_000,
    totalTimeoutMs: 10_000,
    maxMediaBytes: 1_000_000,
    onInsecureVideo: (who) => insecure.push(who),
    log: { warn: (line: object) => warnings.push(line) } as unknown as DownloaderOptions['log'],
    ...more,
  });
  t.after(() => downloader.close());
  return { downloader, warnings, insecure };
}

const asked = (more: Partial<DownloadRequest> = {}): DownloadRequest => ({
  account: account(),
  token: TOKEN,
  mediaId: 'media-1',
  kind: 'image',
  ...more,
});

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Downloads whole; whatever goes wrong, at once or in the body, is the failure, and never holds the token. */
async function failureOf(t: TestContext, baseUrl: string, more: Partial<DownloadRequest> = {}, how = {}) {
  const { downloader } = open(t, baseUrl, how);
  const error = await downloader
    .open(asked(more), NEVER)
    .then(async (media) => bytesOf(media.body))
    .then(
      (bytes) => assert.fail(`${bytes.length} bytes came`),
      (reason: unknown) => reason,
    );
  assert.ok(error instanceof FailureError, inspect(error));
  const shown = inspect(error, { depth: 10, showHidden: true });
  assert.ok(!shown.includes(TOKEN) && !/access_token=(?!\[redacted\])/.test(shown), shown);
  return { ...error.failure, retryAfterMs: error.retryAfterMs };
}

const sends =
  (body: string | Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    response.writeHead(200, headers).end(body);

test('a picture comes whole, with its length, name and type', async (t) => {
  const wechat = await startHttpServer(
    t,
    sends(JPEG, {
      'content-type': 'text/jpeg',
      'content-disposition': 'attachment; filename="MEDIA_ID.jpg"',
      'content-length': String(JPEG.length),
    }),
  );
  const { downloader } = open(t, wechat.url);
  const media = await downloader.open(asked({ mediaId: 'a/b&c=d' }), NEVER);
  const { body, discard: _, ...rest } = media;
  assert.deepEqual(rest, {
    source: 'media_get',
    declaredType: 'text/jpeg',
    fileName: 'MEDIA_ID.jpg',
    lengthBytes: JPEG.length,
    endIsProven: true,
    sniffed: { contentType: 'image/jpeg', extension: 'jpg' },
  });
  assert.deepEqual(await bytesOf(body), JPEG);
  const [request] = wechat.requests;
  assert.equal(request!.url, `/cgi-bin/media/get?access_token=${TOKEN}&media_id=a%2Fb%26c%3Dd`);
  assert.equal(request!.headers['accept-encoding'], 'identity');
  assert.equal(request!.headers.cookie ?? request!.headers.referer, undefined);
});

test('UTF-8 names survive, with and without a Content-Length', async (t) => {
  for (const length of [{}, { 'content-length': String(JPEG.length) }]) {
    const wechat = await startTcpServer(t, (socket) => {
      const head = Object.entries(length).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(
        'HTTP/1.1 200 OK\r\nContent-disposition: attachment; filename="测试.jpg"\r\nConnection: close\r\n',
      );
      socket.write(`${head.join('')}\r\n`);
      socket.end(JPEG);
    });
    const media = await open(t, wechat.url).downloader.open(asked(), NEVER);
    assert.equal(media.fileName, '测试.jpg');
    assert.deepEqual(await bytesOf(media.body), JPEG);
  }
});

test('a body without a length is media without lengthBytes', async (t) => {
  const wechat = await startHttpServer(t, (_request, response) => {
    response.write(JPEG.subarray(0, 3));
    response.end(JPEG.subarray(3));
  });
  const media = await open(t, wechat.url).downloader.open(asked(), NEVER);
  assert.equal(media.lengthBytes, undefined);
  assert.deepEqual(await bytesOf(media.body), JPEG);
});

test('the jssdk variant of a voice has its own call', async (t) => {
  const wechat = await startHttpServer(
    t,
    sends(Buffer.alloc(700, '\x9e\x01'), { 'content-type': 'voice/speex' }),
  );
  const media = await open(t, wechat.url).downloader.open(asked({ kind: 'voice', variant: 'jssdk' }), NEVER);
  assert.match(wechat.requests[0]!.url, /^\/cgi-bin\/media\/get\/jssdk\?/);
  assert.equal(media.source, 'jssdk');
  assert.deepEqual(media.sniffed, { contentType: 'application/octet-stream', extension: 'bin' });
});

test('a voice without an HD form is had as plain AMR; trouble of other kinds is not', async (t) => {
  const AMR = Buffer.from('#!AMR\nvoice');
  const answers: [hd: RequestListener, source: string][] = [
    [sends(AMR), 'jssdk'],
    [sends('{"errcode":40007}'), 'media_get'],
    [(_request, response) => response.writeHead(404).end(), 'media_get'],
    [sends('{"errcode":48001}'), 'media_get'],
    [sends('{"errcode":-1}'), 'system_busy'],
    [sends('{"errcode":45009}'), 'day_quota'],
    [sends('{"errcode":42001}'), 'access_token_expired'],
  ];
  for (const [hd, expected] of answers) {
    const wechat = await startHttpServer(t, (request, response) => {
      if (request.url!.includes('/jssdk?')) hd(request, response);
      else response.end(AMR);
    });
    const { downloader } = open(t, wechat.url);
    const got = await downloader
      .open(asked({ kind: 'voice', variant: 'jssdk' }), NEVER)
      .then((media) => bytesOf(media.body).then(() => media.source))
      .catch((error: FailureError) => error.failure.code);
    assert.equal(got, expected);
  }
});

test('the end of a body is proven by a length or a last chunk, not by a closed connection', async (t) => {
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
    const media = await open(t, wechat.url).downloader.open(asked(), NEVER);
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

test('a PicUrl is asked for over https, and over http only where https cannot be reached', async (t) => {
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(request.url!);
    assert.doesNotMatch(JSON.stringify(request.headers), /referer|cookie|token/i);
    response.end(JPEG);
  }).on('connect', (request, socket) => {
    seen.push(request.url!);
    socket.destroy();
  });
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const { downloader } = open(t, 'http://127.0.0.1:1', {
    proxyUrl: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    resolve: (_name, _options, callback) => callback(null, [{ address: '203.205.137.89', family: 4 }]),
  });
  const link = { url: 'http://mmbiz.qpic.cn/mmbiz_jpg/x/0', source: 'pic_url', kind: 'image' } as const;
  const media = await downloader.openLink(link, NEVER);
  assert.deepEqual(await bytesOf(media.body), JPEG);
  assert.deepEqual(seen, ['203.205.137.89:443', 'http://mmbiz.qpic.cn/mmbiz_jpg/x/0']);
});

test('an errcode is found whatever it is dressed as', async (t) => {
  const bodies: [string, string | undefined][] = [
    ['{"errcode":40007,"errmsg":"invalid media_id hint: [x] rid: 6087f0d0-5c83dcaa"}', 'text/plain'],
    ['{"errcode":40007,"errmsg":"rid: 6087f0d0-5c83dcaa"}', 'application/json; encoding=utf-8'],
    ['{"errcode":"40007","errmsg":"rid: 6087f0d0-5c83dcaa"}', 'image/jpeg'],
    ['\uFEFF\n {"errcode":40007,"errmsg":"raw \x00\x01\n\t rid: 6087f0d0-5c83dcaa"}', undefined],
    [`{"errcode":40007,"errmsg":"${'long '.repeat(2_000)}","rid":"6087f0d0-5c83dcaa"}`, 'audio/amr'],
  ];
  for (const [body, type] of bodies) {
    const wechat = await startHttpServer(t, sends(body, type ? { 'content-type': type } : {}));
    const failure = await failureOf(t, wechat.url);
    assert.equal(failure.code, 'invalid_media_id', body.slice(0, 60));
    assert.equal(failure.class, 'permanent_media');
    assert.equal(failure.errcode, 40007);
    assert.equal(failure.rid, '6087f0d0-5c83dcaa');
    assert.ok((failure.errmsg ?? '').length <= 300);
  }
});

test('errmsg never repeats the token', async (t) => {
  const wechat = await startHttpServer(
    t,
    sends(`{"errcode":40001,"errmsg":"access_token=${TOKEN} and ${TOKEN} invalid"}`),
  );
  const failure = await failureOf(t, wechat.url);
  assert.equal(failure.class, 'token');
  assert.match(failure.errmsg!, /redacted/);
});

test('an errcode counts even under an HTTP error', async (t) => {
  const wechat = await startHttpServer(t, (_request, response) =>
    response.writeHead(403).end('{"errcode":48001}'),
  );
  assert.equal((await failureOf(t, wechat.url)).code, 'api_unauthorized');
});

test('what is not media is told by what it is', async (t) => {
  const cases: [string, string | Buffer, Record<string, string>][] = [
    ['body_empty', '', { 'content-type': 'image/jpeg' }],
    ['body_not_media', '<!DOCTYPE html><html></html>', { 'content-type': 'image/jpeg' }],
    ['body_not_media', '  <html>', {}],
    ['body_not_media', '<?xml version="1.0"?><html></html>', { 'content-type': 'image/jpeg' }],
    ['body_not_media', 'system busy', { 'content-type': 'text/plain' }],
    ['body_not_media', '{"nothing":"known"}', { 'content-type': 'image/jpeg' }],
    ['body_not_media', `{"a":"${'x'.repeat(100_000)}"}`, {}],
    ['body_not_media', '{"errcode":400', {}],
    ['ok_without_media', '{"errcode":0,"errmsg":"ok"}', {}],
    ['body_encoded', gzipSync(JPEG), { 'content-type': 'image/jpeg', 'content-encoding': 'gzip' }],
  ];
  for (const [code, body, headers] of cases) {
    const wechat = await startHttpServer(t, sends(body, headers));
    const failure = await failureOf(t, wechat.url);
    assert.equal(failure.code, code, String(body).slice(0, 30));
    assert.equal(failure.class, 'transient');
  }
});

test('bytes of no known magic are media', async (t) => {
  const speex = Buffer.alloc(700, '\x9e\x01');
  for (const kind of ['voice', 'file'] as const) {
    const wechat = await startHttpServer(t, sends(speex, { 'content-type': 'application/octet-stream' }));
    const media = await open(t, wechat.url).downloader.open(asked({ kind }), NEVER);
    assert.deepEqual(await bytesOf(media.body), speex);
    assert.deepEqual(media.sniffed, { contentType: 'application/octet-stream', extension: 'bin' });
  }
});

test('an HTTP status has its class; a redirect is not followed', async (t) => {
  const expected: [number, string, string][] = [
    [301, 'http_refused', 'unknown'],
    [400, 'http_refused', 'unknown'],
    [404, 'http_refused', 'unknown'],
    [408, 'http_status', 'transient'],
    [429, 'http_busy', 'minute_limit'],
    [500, 'http_status', 'transient'],
    [502, 'http_status', 'transient'],
    [503, 'http_busy', 'minute_limit'],
  ];
  for (const [status, code, failureClass] of expected) {
    const wechat = await startHttpServer(t, (_request, response) => {
      response.writeHead(status, { location: '/other', 'retry-after': '7' }).end(JPEG);
    });
    const failure = await failureOf(t, wechat.url);
    assert.deepEqual([failure.code, failure.class], [code, failureClass], String(status));
    assert.equal(failure.retryAfterMs, 7_000);
    assert.equal(wechat.requests.length, 1);
  }
});

test('a body that is cut, by FIN or by RST, never ends cleanly', async (t) => {
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

test('silence ends a download: before the headers, and in the middle of the body', async (t) => {
  const how = { idleTimeoutMs: 200 };
  const silent = await startTcpServer(t, () => {});
  assert.equal((await failureOf(t, silent.url, {}, how)).code, 'timeout');
  const stalled = await startTcpServer(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${JPEG.length}\r\n\r\n`);
    socket.write(JPEG.subarray(0, 10_000));
  });
  assert.equal((await failureOf(t, stalled.url, {}, how)).code, 'timeout');
});

test('a download that trickles on ends at the total limit', async (t) => {
  const trickling = await startHttpServer(t, (_request, response) => {
    response.write(JPEG);
    const timer = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(timer));
  });
  assert.equal((await failureOf(t, trickling.url, {}, { totalTimeoutMs: 300 })).code, 'timeout');
});

test("the caller's abort ends a download as it was given, before and in the middle", async (t) => {
  const wechat = await startHttpServer(t, (_request, response) => response.write(JPEG));
  const { downloader } = open(t, wechat.url);
  const reason = new Error('lock lost');
  await assert.rejects(downloader.open(asked(), AbortSignal.abort(reason)), (error) => error === reason);
  const controller = new AbortController();
  const media = await downloader.open(asked(), controller.signal);
  const read = bytesOf(media.body);
  controller.abort(reason);
  await assert.rejects(read, (error) => error === reason);
});

test('an abort cuts the connection at once, and the next download has another', async (t) => {
  const sockets: Socket[] = [];
  const wechat = await startTcpServer(t, (socket) => {
    sockets.push(socket);
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${JPEG.length}\r\n\r\n`);
    // The first body stands still half-way.
    socket.write(sockets.length === 1 ? JPEG.subarray(0, 10_000) : JPEG);
  });
  const { downloader } = open(t, wechat.url, { idleTimeoutMs: 60_000, totalTimeoutMs: 60_000 });
  const leaving = new AbortController();
  const media = await downloader.open(asked(), leaving.signal);
  const reading = bytesOf(media.body);
  const closed = once(sockets[0]!, 'close', { signal: AbortSignal.timeout(5_000) });
  leaving.abort(new Error('closing'));
  await assert.rejects(reading, /closing/);
  await closed;
  media.discard();
  const again = await downloader.open(asked(), NEVER);
  assert.deepEqual(await bytesOf(again.body), JPEG);
  assert.equal(sockets.length, 2);
});

test('a refused connection is a failure of the network', async (t) => {
  assert.equal((await failureOf(t, `http://127.0.0.1:${await closedPort()}`)).code, 'network');
});

test('too large is refused by its announcement, or where it passes the limit', async (t) => {
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

test('a body let go of closes its connection; a body read to the end keeps it', async (t) => {
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
  for (let round = 0; round < 20; round++) await bytesOf((await downloader.open(asked(), NEVER)).body);
  assert.equal(sockets.size, 1);
  const media = await downloader.open(asked({ mediaId: 'endless' }), NEVER);
  media.discard();
  media.discard();
  await isClosed;
});

/** media/get that answers with a link, and the far end of the link. */
async function withLink(
  t: TestContext,
  link: (response: ServerResponse) => void,
  path = '/v.tc.qq.com/1.mp4?vkey=K',
) {
  const cdn = await startHttpServer(t, (_request, response) => link(response));
  const text = JSON.stringify({ video_url: `${cdn.url}${path}` }).replaceAll('/', '\\/');
  const wechat = await startHttpServer(t, sends(text, { 'content-type': 'text/plain' }));
  return { cdn, wechat };
}

test('video_url is followed, without token, cookie or Referer', async (t) => {
  const { cdn, wechat } = await withLink(t, (response) => response.writeHead(200).end(MP4));
  const { downloader } = open(t, wechat.url, { allowHosts: [`127.0.0.1:${cdn.port}`] });
  const media = await downloader.open(asked({ kind: 'video' }), NEVER);
  assert.equal(media.source, 'video_url');
  assert.deepEqual(media.sniffed, { contentType: 'video/mp4', extension: 'mp4' });
  assert.deepEqual(await bytesOf(media.body), MP4);
  const [request] = cdn.requests;
  assert.equal(request!.url, '/v.tc.qq.com/1.mp4?vkey=K');
  assert.deepEqual(Object.keys(request!.headers).toSorted(), [
    'accept',
    'accept-encoding',
    'connection',
    'host',
    'user-agent',
  ]);
});

test('a link that does not give a video fails for a fresh one', async (t) => {
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    (response) => response.writeHead(503).end(),
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    (response) => response.writeHead(200).end(),
    (response) => response.writeHead(200).end('{"errcode":40007}'),
    (response) => response.writeHead(200).end('{"video_url":"http://127.0.0.1:1/again"}'),
  ];
  for (const answer of answers) {
    const { cdn, wechat } = await withLink(t, answer);
    const failure = await failureOf(t, wechat.url, { kind: 'video' }, { allowHosts: ['127.0.0.1'] });
    assert.deepEqual(
      [failure.code, failure.class, failure.retryAfterMs],
      ['video_link_failed', 'transient', 5_000],
    );
    assert.equal(cdn.requests.length, 1);
    assert.equal(wechat.requests.length, 1);
  }
});

test('a link that is too young gets one more look, and then a fresh one with the next try', async (t) => {
  let looks = 0;
  const { cdn, wechat } = await withLink(t, (response) => {
    if (++looks % 2 === 1) response.writeHead(404).end('not yet');
    else response.end(MP4);
  });
  const how = { allowHosts: ['127.0.0.1'], linkRetryDelayMs: 20 };
  const media = await open(t, wechat.url, how).downloader.open(asked({ kind: 'video' }), NEVER);
  assert.deepEqual(await bytesOf(media.body), MP4);
  assert.deepEqual([cdn.requests.length, wechat.requests.length], [2, 1]);

  const never = await withLink(t, (response) => response.writeHead(404).end());
  const failure = await failureOf(t, never.wechat.url, { kind: 'video' }, how);
  assert.deepEqual([failure.code, failure.retryAfterMs], ['video_link_failed', 5_000]);
  assert.deepEqual([never.cdn.requests.length, never.wechat.requests.length], [2, 1]);
});

test('waiting for a young link ends with the abort', async (t) => {
  const { cdn, wechat } = await withLink(t, (response) => response.writeHead(404).end());
  const controller = new AbortController();
  const { downloader } = open(t, wechat.url, { allowHosts: ['127.0.0.1'], linkRetryDelayMs: 600_000 });
  const opening = downloader.open(asked({ kind: 'video' }), controller.signal);
  while (cdn.requests.length === 0) await new Promise((tick) => setTimeout(tick, 5));
  const reason = new Error('closing');
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(opening, (error) => error === reason);
});

test('a link that is too old is asked for anew at once, but only once', async (t) => {
  const cdn = await startHttpServer(t, (request, response) => {
    if (request.url!.includes('vkey=old')) response.writeHead(403).end();
    else response.end(MP4);
  });
  const links = ['old', 'fresh', 'old', 'old'];
  const wechat = await startHttpServer(t, (_request, response) =>
    response.end(
      `{"video_url":"http:\\/\\/127.0.0.1:${cdn.port}\\/v.tc.qq.com\\/1.mp4?vkey=${links.shift()}"}`,
    ),
  );
  const how = { allowHosts: ['127.0.0.1'] };
  const media = await open(t, wechat.url, how).downloader.open(asked({ kind: 'video' }), NEVER);
  assert.deepEqual(await bytesOf(media.body), MP4);
  assert.equal(media.source, 'video_url');
  assert.equal((await failureOf(t, wechat.url, { kind: 'video' }, how)).code, 'video_link_failed');
  assert.deepEqual([cdn.requests.length, wechat.requests.length], [4, 4]);
});

test('a link to an address of our own network is refused before anything is sent', async (t) => {
  const { cdn, wechat } = await withLink(t, (response) => response.end(MP4));
  const failure = await failureOf(
    t,
    wechat.url,
    { kind: 'video' },
    { allowHosts: [`127.0.0.1:${cdn.port + 1}`] },
  );
  assert.deepEqual([failure.code, failure.class], ['address_refused', 'permanent_media']);
  assert.equal(cdn.requests.length, 0);
});

test("a host of WeChat's whose name leads into our own network is refused on connecting", async (t) => {
  const wechat = await startHttpServer(t, sends('{"video_url":"http://vweixinp.tc.qq.com/1.mp4"}'));
  const asks: string[] = [];
  const resolve: NonNullable<DownloaderOptions['resolve']> = (name, _options, callback) => {
    asks.push(name);
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  };
  const failure = await failureOf(t, wechat.url, { kind: 'video' }, { resolve });
  assert.equal(failure.code, 'address_refused');
  assert.deepEqual(asks, ['vweixinp.tc.qq.com']);
});

test('a video that https does not serve is asked for once over http, counted and warned about', async (t) => {
  const overHttp = await startHttpServer(t, sends(MP4));
  const page = await startHttpServer(t, sends('<html>', { 'content-type': 'text/html' }));
  const nothing = await startHttpServer(t, sends(''));
  const unknown = await startHttpServer(t, (_request, response) => response.writeHead(404).end());
  const refused = { url: `http://127.0.0.1:${await closedPort()}` };
  let before = 0;
  for (const { url } of [page, nothing, unknown, refused]) {
    for (const kind of ['video', 'shortvideo'] as const) {
      const { downloader, warnings, insecure } = open(t, url, { videoBaseUrl: overHttp.url });
      const media = await downloader.open(asked({ kind }), NEVER);
      assert.deepEqual(await bytesOf(media.body), MP4);
      assert.deepEqual(insecure, [account().account]);
      assert.equal(warnings.length, 1);
      assert.ok(!JSON.stringify(warnings).includes(TOKEN));
      assert.equal(overHttp.requests.length, ++before);
    }
  }
});

test('http is never asked for a picture, after an errcode, after a link, or where it is turned off', async (t) => {
  const overHttp = await startHttpServer(t, sends(MP4));
  const page = await startHttpServer(t, sends('<html>'));
  const errcode = await startHttpServer(t, sends('{"errcode":40007}'));
  const unknown = await startHttpServer(t, sends('{"errcode":987654}'));
  const down = await startHttpServer(t, (_request, response) => response.writeHead(502).end());
  const link = await withLink(t, (response) => response.writeHead(200).end('<html>'));
  const how = { videoBaseUrl: overHttp.url, allowHosts: ['127.0.0.1'] };
  const code = async (
    ...args: Parameters<typeof failureOf> extends [TestContext, ...infer Rest] ? Rest : never
  ) => (await failureOf(t, ...args)).code;
  assert.equal(await code(page.url, { kind: 'image' }, how), 'body_not_media');
  assert.equal(await code(errcode.url, { kind: 'video' }, how), 'invalid_media_id');
  assert.equal(await code(unknown.url, { kind: 'video' }, how), 'unknown_errcode');
  assert.equal(await code(down.url, { kind: 'video' }, how), 'http_status');
  assert.equal(await code(link.wechat.url, { kind: 'video' }, how), 'video_link_failed');
  assert.equal(await code(page.url, { kind: 'video' }, { ...how, videoBaseUrl: '' }), 'body_not_media');
  assert.equal(overHttp.requests.length, 0);
});

test('a token of WeCom is never sent over http to the host of official accounts', async (t) => {
  const overHttp = await startHttpServer(t, sends(MP4));
  const page = await startHttpServer(t, sends('<html>'));
  for (const wecomBaseUrl of [page.url, `http://127.0.0.1:${await closedPort()}`]) {
    const { downloader, insecure } = open(t, overHttp.url, { wecomBaseUrl, videoBaseUrl: overHttp.url });
    const request = asked({ kind: 'video', account: account({ product: 'wecom' }) });
    await assert.rejects(downloader.open(request, NEVER), FailureError);
    assert.deepEqual(insecure, []);
  }
  assert.equal(overHttp.requests.length, 0);
});

test('a picture link is fetched behind the same guard', async (t) => {
  const pictures = await startHttpServer(t, sends(JPEG));
  const { downloader } = open(t, 'http://127.0.0.1:1', { allowHosts: ['127.0.0.1'] });
  const link = { url: `${pictures.url}/mmbiz_jpg/x/0`, source: 'pic_url', kind: 'image' } as const;
  const media = await downloader.openLink(link, NEVER);
  assert.equal(media.source, 'pic_url');
  assert.equal((await bytesOf(media.body)).length, JPEG.length);
  const guarded = open(t, 'http://127.0.0.1:1').downloader;
  await assert.rejects(guarded.openLink(link, NEVER), /address_refused/);
});

test('the proxy carries media/get and links over http in absolute form, once their addresses are checked', async (t) => {
  const resolved: string[] = [];
  const proxy = await startHttpServer(t, (request, response) => {
    if (request.url!.includes('/cgi-bin')) response.end('{"video_url":"http://vweixinp.tc.qq.com/1.mp4"}');
    else response.end(MP4);
  });
  const { downloader } = open(t, 'http://api.weixin.qq.com', {
    proxyUrl: proxy.url,
    resolve: (name, _options, callback) => {
      resolved.push(name);
      callback(null, [{ address: '203.205.137.89', family: 4 }]);
    },
  });
  const media = await downloader.open(asked({ kind: 'video' }), NEVER);
  assert.deepEqual(await bytesOf(media.body), MP4);
  assert.deepEqual(
    proxy.requests.map(({ url }) => url.split('?')[0]),
    ['http://api.weixin.qq.com/cgi-bin/media/get', 'http://vweixinp.tc.qq.com/1.mp4'],
  );
  assert.deepEqual(
    proxy.requests.map(({ headers }) => headers.host),
    ['api.weixin.qq.com', 'vweixinp.tc.qq.com'],
  );
  assert.deepEqual(resolved, ['vweixinp.tc.qq.com']);
});

test('a proxy that hangs up, refuses or is silent is asked once and given up on', async (t) => {
  const proxies: [name: string, answer: (socket: Socket) => void, code: string, cause: string | undefined][] =
    [
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
  for (const [name, answer, code, cause] of proxies) {
    const proxy = await startTcpServer(t, answer);
    const { downloader } = open(t, 'https://api.weixin.qq.com', {
      proxyUrl: proxy.url.replace('//', '//user:p%40ss@'),
      idleTimeoutMs: 300,
    });
    const error = await downloader.open(asked(), NEVER).catch((reason: unknown) => reason);
    assert.ok(error instanceof FailureError, name);
    assert.deepEqual([error.failure.code, error.cause ?? undefined], [code, cause ?? error.cause], name);
    assert.equal(proxy.heads.length, 1, name);
    assert.match(proxy.heads[0]!, /^CONNECT api\.weixin\.qq\.com:443 HTTP\/1\.1\r\n/);
    assert.match(proxy.heads[0]!, /\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n/);
  }
});

test('many at once keep their bytes apart, and few connections afterwards', async (t) => {
  const sockets = new Set<Socket>();
  const wechat = await startHttpServer(t, (request, response) => {
    sockets.add(request.socket);
    const id = new URL(request.url!, 'http://x').searchParams.get('media_id')!;
    response.end(Buffer.concat([JPEG, createHash('sha256').update(id).digest()]));
  });
  const { downloader } = open(t, wechat.url, { maxIdleConnections: 4 });
  const download = async (index: number) => {
    const media = await downloader.open(asked({ mediaId: `m-${index}` }), NEVER);
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

test('bytes beyond the announced length are noticed, on a kept and on a closing connection', async (t) => {
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
        const media = await downloader.open(asked({ mediaId }), NEVER);
        const read = bytesOf(media.body);
        if (mediaId === 'honest') assert.deepEqual(await read, JPEG);
        else await assert.rejects(read, /body_too_long/, `${connection}, ${beyond} beyond`);
      }
    }
  }
});
