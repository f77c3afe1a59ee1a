/** Links of videos and pictures. */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { DownloaderOptions } from '../../../src/wechat/media/download.ts';
import { startHttpServer } from '../servers.ts';
import {
  bytesOf,
  downloadRequest,
  failureOf,
  JPEG,
  MP4,
  NEVER,
  open,
  respondWith,
  withLink,
} from './setup.ts';

test('a PicUrl is fetched over https, and over http only where https cannot be reached', async (t) => {
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

test('a video_url is fetched without token, cookie or Referer', async (t) => {
  const { cdn, wechat } = await withLink(t, (response) => response.writeHead(200).end(MP4));
  const { downloader } = open(t, wechat.url, { allowHosts: [`127.0.0.1:${cdn.port}`] });
  const media = await downloader.open(downloadRequest({ kind: 'video' }), NEVER);
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

test('a link without a video fails so that a fresh one is requested', async (t) => {
  const responses: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    (response) => response.writeHead(503).end(),
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    (response) => response.writeHead(200).end(),
    (response) => response.writeHead(200).end('{"errcode":40007}'),
    (response) => response.writeHead(200).end('{"video_url":"http://127.0.0.1:1/again"}'),
  ];
  for (const respond of responses) {
    const { cdn, wechat } = await withLink(t, respond);
    const failure = await failureOf(t, wechat.url, { kind: 'video' }, { allowHosts: ['127.0.0.1'] });
    assert.deepEqual(
      [failure.code, failure.class, failure.retryAfterMs],
      ['video_link_failed', 'transient', 5_000],
    );
    assert.equal(cdn.requests.length, 1);
    assert.equal(wechat.requests.length, 1);
  }
});

test('a link that returns 404 is fetched once more, and a fresh one is requested by the next attempt', async (t) => {
  let looks = 0;
  const { cdn, wechat } = await withLink(t, (response) => {
    if (++looks % 2 === 1) response.writeHead(404).end('not yet');
    else response.end(MP4);
  });
  const how = { allowHosts: ['127.0.0.1'], linkRetryDelayMs: 20 };
  const media = await open(t, wechat.url, how).downloader.open(downloadRequest({ kind: 'video' }), NEVER);
  assert.deepEqual(await bytesOf(media.body), MP4);
  assert.deepEqual([cdn.requests.length, wechat.requests.length], [2, 1]);

  const never = await withLink(t, (response) => response.writeHead(404).end());
  const failure = await failureOf(t, never.wechat.url, { kind: 'video' }, how);
  assert.deepEqual([failure.code, failure.retryAfterMs], ['video_link_failed', 5_000]);
  assert.deepEqual([never.cdn.requests.length, never.wechat.requests.length], [2, 1]);
});

test('the wait for a link that returned 404 ends with an abort', async (t) => {
  const { cdn, wechat } = await withLink(t, (response) => response.writeHead(404).end());
  const controller = new AbortController();
  const { downloader } = open(t, wechat.url, { allowHosts: ['127.0.0.1'], linkRetryDelayMs: 600_000 });
  const opening = downloader.open(downloadRequest({ kind: 'video' }), controller.signal);
  while (cdn.requests.length === 0) await new Promise((tick) => setTimeout(tick, 5));
  const reason = new Error('closing');
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(opening, (error) => error === reason);
});

test('for a link that returns 403 a fresh one is requested at once, but only once', async (t) => {
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
  const media = await open(t, wechat.url, how).downloader.open(downloadRequest({ kind: 'video' }), NEVER);
  assert.deepEqual(await bytesOf(media.body), MP4);
  assert.equal(media.source, 'video_url');
  assert.equal((await failureOf(t, wechat.url, { kind: 'video' }, how)).code, 'video_link_failed');
  assert.deepEqual([cdn.requests.length, wechat.requests.length], [4, 4]);
});

test('a link to a private address is refused before anything is sent', async (t) => {
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

test('a host name of WeChat that resolves to a private address is refused on connecting', async (t) => {
  const wechat = await startHttpServer(t, respondWith('{"video_url":"http://vweixinp.tc.qq.com/1.mp4"}'));
  const asks: string[] = [];
  const resolve: NonNullable<DownloaderOptions['resolve']> = (name, _options, callback) => {
    asks.push(name);
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  };
  const failure = await failureOf(t, wechat.url, { kind: 'video' }, { resolve });
  assert.equal(failure.code, 'address_refused');
  assert.deepEqual(asks, ['vweixinp.tc.qq.com']);
});

test('a PicUrl is fetched through the SSRF guard', async (t) => {
  const pictures = await startHttpServer(t, respondWith(JPEG));
  const { downloader } = open(t, 'http://127.0.0.1:1', { allowHosts: ['127.0.0.1'] });
  const link = { url: `${pictures.url}/mmbiz_jpg/x/0`, source: 'pic_url', kind: 'image' } as const;
  const media = await downloader.openLink(link, NEVER);
  assert.equal(media.source, 'pic_url');
  assert.equal((await bytesOf(media.body)).length, JPEG.length);
  const guarded = open(t, 'http://127.0.0.1:1').downloader;
  await assert.rejects(guarded.openLink(link, NEVER), /address_refused/);
});

test('the proxy gets media/get and http links in absolute form after their addresses are checked', async (t) => {
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
  const media = await downloader.open(downloadRequest({ kind: 'video' }), NEVER);
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
