/** Downloads by media/get: what is media, what is a failure, and when http is used. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { FailureError } from '../../../src/failures.ts';
import { account } from '../callback/vectors.ts';
import { closedPort, startHttpServer, startTcpServer } from '../servers.ts';
import {
  bytesOf,
  downloadRequest,
  failureOf,
  JPEG,
  MP4,
  NEVER,
  open,
  respondWith,
  TOKEN,
  withLink,
} from './setup.ts';

test('a picture is downloaded with its length, name and type', async (t) => {
  const wechat = await startHttpServer(
    t,
    respondWith(JPEG, {
      'content-type': 'text/jpeg',
      'content-disposition': 'attachment; filename="MEDIA_ID.jpg"',
      'content-length': String(JPEG.length),
    }),
  );
  const { downloader } = open(t, wechat.url);
  const media = await downloader.open(downloadRequest({ mediaId: 'a/b&c=d' }), NEVER);
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

test('a UTF-8 file name is read, with and without a Content-Length', async (t) => {
  for (const length of [{}, { 'content-length': String(JPEG.length) }]) {
    const wechat = await startTcpServer(t, (socket) => {
      const head = Object.entries(length).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(
        'HTTP/1.1 200 OK\r\nContent-disposition: attachment; filename="测试.jpg"\r\nConnection: close\r\n',
      );
      socket.write(`${head.join('')}\r\n`);
      socket.end(JPEG);
    });
    const media = await open(t, wechat.url).downloader.open(downloadRequest(), NEVER);
    assert.equal(media.fileName, '测试.jpg');
    assert.deepEqual(await bytesOf(media.body), JPEG);
  }
});

test('a body without a length is media without lengthBytes', async (t) => {
  const wechat = await startHttpServer(t, (_request, response) => {
    response.write(JPEG.subarray(0, 3));
    response.end(JPEG.subarray(3));
  });
  const media = await open(t, wechat.url).downloader.open(downloadRequest(), NEVER);
  assert.equal(media.lengthBytes, undefined);
  assert.deepEqual(await bytesOf(media.body), JPEG);
});

test('the jssdk variant of a voice is downloaded by its own call', async (t) => {
  const wechat = await startHttpServer(
    t,
    respondWith(Buffer.alloc(700, '\x9e\x01'), { 'content-type': 'voice/speex' }),
  );
  const media = await open(t, wechat.url).downloader.open(
    downloadRequest({ kind: 'voice', variant: 'jssdk' }),
    NEVER,
  );
  assert.match(wechat.requests[0]!.url, /^\/cgi-bin\/media\/get\/jssdk\?/);
  assert.equal(media.source, 'jssdk');
  assert.deepEqual(media.sniffed, { contentType: 'application/octet-stream', extension: 'bin' });
});

test('a voice without an HD form is downloaded as plain AMR, but not after other failures', async (t) => {
  const AMR = Buffer.from('#!AMR\nvoice');
  const responses: [hd: RequestListener, source: string][] = [
    [respondWith(AMR), 'jssdk'],
    [respondWith('{"errcode":40007}'), 'media_get'],
    [(_request, response) => response.writeHead(404).end(), 'media_get'],
    [respondWith('{"errcode":48001}'), 'media_get'],
    [respondWith('{"errcode":-1}'), 'system_busy'],
    [respondWith('{"errcode":45009}'), 'day_quota'],
    [respondWith('{"errcode":42001}'), 'access_token_expired'],
  ];
  for (const [hd, expected] of responses) {
    const wechat = await startHttpServer(t, (request, response) => {
      if (request.url!.includes('/jssdk?')) hd(request, response);
      else response.end(AMR);
    });
    const { downloader } = open(t, wechat.url);
    const got = await downloader
      .open(downloadRequest({ kind: 'voice', variant: 'jssdk' }), NEVER)
      .then((media) => bytesOf(media.body).then(() => media.source))
      .catch((error: FailureError) => error.failure.code);
    assert.equal(got, expected);
  }
});

test('an errcode is found whatever the Content-Type and encoding of the response', async (t) => {
  const bodies: [string, string | undefined][] = [
    ['{"errcode":40007,"errmsg":"invalid media_id hint: [x] rid: 6087f0d0-5c83dcaa"}', 'text/plain'],
    ['{"errcode":40007,"errmsg":"rid: 6087f0d0-5c83dcaa"}', 'application/json; encoding=utf-8'],
    ['{"errcode":"40007","errmsg":"rid: 6087f0d0-5c83dcaa"}', 'image/jpeg'],
    ['\uFEFF\n {"errcode":40007,"errmsg":"raw \x00\x01\n\t rid: 6087f0d0-5c83dcaa"}', undefined],
    [`{"errcode":40007,"errmsg":"${'long '.repeat(2_000)}","rid":"6087f0d0-5c83dcaa"}`, 'audio/amr'],
  ];
  for (const [body, type] of bodies) {
    const wechat = await startHttpServer(t, respondWith(body, type ? { 'content-type': type } : {}));
    const failure = await failureOf(t, wechat.url);
    assert.equal(failure.code, 'invalid_media_id', body.slice(0, 60));
    assert.equal(failure.class, 'permanent_media');
    assert.equal(failure.errcode, 40007);
    assert.equal(failure.rid, '6087f0d0-5c83dcaa');
    assert.ok((failure.errmsg ?? '').length <= 300);
  }
});

test('errmsg does not contain the token', async (t) => {
  const wechat = await startHttpServer(
    t,
    respondWith(`{"errcode":40001,"errmsg":"access_token=${TOKEN} and ${TOKEN} invalid"}`),
  );
  const failure = await failureOf(t, wechat.url);
  assert.equal(failure.class, 'token');
  assert.match(failure.errmsg!, /redacted/);
});

test('an errcode counts more than the HTTP status', async (t) => {
  const wechat = await startHttpServer(t, (_request, response) =>
    response.writeHead(403).end('{"errcode":48001}'),
  );
  assert.equal((await failureOf(t, wechat.url)).code, 'api_unauthorized');
});

test('every response other than a media file has its own failure code', async (t) => {
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
    const wechat = await startHttpServer(t, respondWith(body, headers));
    const failure = await failureOf(t, wechat.url);
    assert.equal(failure.code, code, String(body).slice(0, 30));
    assert.equal(failure.class, 'transient');
  }
});

test('bytes without a known magic number are media', async (t) => {
  const speex = Buffer.alloc(700, '\x9e\x01');
  for (const kind of ['voice', 'file'] as const) {
    const wechat = await startHttpServer(
      t,
      respondWith(speex, { 'content-type': 'application/octet-stream' }),
    );
    const media = await open(t, wechat.url).downloader.open(downloadRequest({ kind }), NEVER);
    assert.deepEqual(await bytesOf(media.body), speex);
    assert.deepEqual(media.sniffed, { contentType: 'application/octet-stream', extension: 'bin' });
  }
});

test('an HTTP status has its failure class, and a redirect is not followed', async (t) => {
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

test('a video that https does not serve is requested once over http, counted and logged', async (t) => {
  const overHttp = await startHttpServer(t, respondWith(MP4));
  const page = await startHttpServer(t, respondWith('<html>', { 'content-type': 'text/html' }));
  const nothing = await startHttpServer(t, respondWith(''));
  const unknown = await startHttpServer(t, (_request, response) => response.writeHead(404).end());
  const refused = { url: `http://127.0.0.1:${await closedPort()}` };
  let before = 0;
  for (const { url } of [page, nothing, unknown, refused]) {
    for (const kind of ['video', 'shortvideo'] as const) {
      const { downloader, warnings, insecure } = open(t, url, { videoBaseUrl: overHttp.url });
      const media = await downloader.open(downloadRequest({ kind }), NEVER);
      assert.deepEqual(await bytesOf(media.body), MP4);
      assert.deepEqual(insecure, [account().account]);
      assert.equal(warnings.length, 1);
      assert.ok(!JSON.stringify(warnings).includes(TOKEN));
      assert.equal(overHttp.requests.length, ++before);
    }
  }
});

test('http is not used for a picture, after an errcode, after a link, or where it is turned off', async (t) => {
  const overHttp = await startHttpServer(t, respondWith(MP4));
  const page = await startHttpServer(t, respondWith('<html>'));
  const errcode = await startHttpServer(t, respondWith('{"errcode":40007}'));
  const unknown = await startHttpServer(t, respondWith('{"errcode":987654}'));
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

test('a WeCom token is never sent over http to the host of official accounts', async (t) => {
  const overHttp = await startHttpServer(t, respondWith(MP4));
  const page = await startHttpServer(t, respondWith('<html>'));
  for (const wecomBaseUrl of [page.url, `http://127.0.0.1:${await closedPort()}`]) {
    const { downloader, insecure } = open(t, overHttp.url, { wecomBaseUrl, videoBaseUrl: overHttp.url });
    const request = downloadRequest({ kind: 'video', account: account({ product: 'wecom' }) });
    await assert.rejects(downloader.open(request, NEVER), FailureError);
    assert.deepEqual(insecure, []);
  }
  assert.equal(overHttp.requests.length, 0);
});
