/** WECHAT_PROXY on a real squid: what passes, what it refuses, and that its errors are not taken for those of WeChat. */
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createSecureContext, rootCertificates } from 'node:tls';
import { FailureError } from '../../../src/failures.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import { explain } from '../../../src/wechat/api/errcodes.ts';
import { createDownloader, type DownloaderOptions } from '../../../src/wechat/media/download.ts';
import { type Certificates, certificatesForTest } from '../../machine/certificates.ts';
import { squidForTest } from '../../machine/squid.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer, startTcpServer } from '../servers.ts';

const { signal } = new AbortController();
const MP4 = Buffer.concat([
  Buffer.from('0000001866747970', 'hex'),
  Buffer.from('mp42'),
  Buffer.alloc(9_000, 'v'),
]);
const PUBLIC = '203.205.137.89';
const USER = { name: 'wma', password: 'p@ss:word %' };
const REQUEST = { account: account(), token: 'TOKEN-0123456789', mediaId: 'media-1', kind: 'video' } as const;

/** WeChat over https: a token, and for an item the link of a video. */
async function wechatOverTls(t: TestContext, certificates: Certificates, videoUrl: string) {
  const server = createServer(certificates.good, (request, response) => {
    if (request.url!.startsWith('/cgi-bin/media')) response.end(JSON.stringify({ video_url: videoUrl }));
    else response.end('{"access_token":"t0ken","expires_in":7200}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, url: `https://api.weixin.qq.com:${port}` };
}

function clients(
  t: TestContext,
  baseUrl: string,
  proxyUrl: string,
  certificates: Certificates,
  more: Partial<DownloaderOptions> = {},
) {
  const secureContext = createSecureContext({ ca: [...rootCertificates, certificates.authority] });
  const downloader = createDownloader({
    baseUrl,
    proxyUrl,
    secureContext,
    allowHosts: [],
    idleTimeoutMs: 5_000,
    totalTimeoutMs: 10_000,
    maxMediaBytes: 1_000_000,
    log: { warn: () => {} },
    ...more,
  });
  const api = createWechatApi({ baseUrl, proxyUrl, secureContext });
  t.after(() => Promise.all([downloader.close(), api.close()]));
  return { downloader, api };
}

async function failureOf(trying: Promise<unknown>): Promise<FailureError> {
  const error = await trying.then(
    () => assert.fail('it came through'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FailureError, String(error));
  assert.doesNotMatch(JSON.stringify([error.message, error.failure]), /p@ss|p%40ss|TOKEN-0123456789/);
  return error;
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('the proxy gets CONNECT for API calls and absolute form for http links, with the user of its URL', async (t) => {
  const certificates = await certificatesForTest(t);
  if (!certificates) return;
  const cdn = await startHttpServer(t, (_request, response) => response.end(MP4));
  const link = `http://127.0.0.1:${cdn.port}/vweixinp.tc.qq.com/1.mp4`;
  const wechat = await wechatOverTls(t, certificates, link);
  const squid = await squidForTest(t, {
    tlsPorts: [wechat.port],
    hosts: { 'api.weixin.qq.com': '127.0.0.1' },
    user: USER,
    certificate: certificates.good,
  });
  if (!squid) return;
  const user = `${USER.name}:${encodeURIComponent(USER.password)}@`;
  for (const url of [squid.url, squid.tlsUrl]) {
    const proxyUrl = url.replace('//', `//${user}`);
    const allowHosts = [`127.0.0.1:${cdn.port}`];
    const { api, downloader } = clients(t, wechat.url, proxyUrl, certificates, { allowHosts });
    assert.equal((await api.requestToken(account(), signal)).value, 't0ken', url);
    const media = await downloader.open(REQUEST, signal);
    assert.deepEqual(await bytesOf(media.body), MP4, url);
  }
  for (const { url, headers } of cdn.requests) {
    assert.equal(url, '/vweixinp.tc.qq.com/1.mp4');
    assert.equal(headers.host, `127.0.0.1:${cdn.port}`);
    assert.equal(headers['proxy-authorization'], undefined);
    assert.match(String(headers.via), /squid/);
  }
});

test('JSON calls over plain http are sent to the proxy in absolute form', async (t) => {
  const certificates = await certificatesForTest(t);
  const squid = await squidForTest(t, { user: USER });
  if (!squid || !certificates) return;
  const gateway = await startHttpServer(t, (_request, response) =>
    response.end('{"access_token":"t0ken","expires_in":7200}'),
  );
  const proxyUrl = squid.url.replace('//', `//${USER.name}:${encodeURIComponent(USER.password)}@`);
  const { api } = clients(t, gateway.url, proxyUrl, certificates);
  assert.equal((await api.requestToken(account(), signal)).value, 't0ken');
  assert.match(String(gateway.requests[0]?.headers.via), /squid/);
});

test('every error of the proxy is a failure with its own advice, for API calls and downloads', async (t) => {
  const certificates = await certificatesForTest(t);
  if (!certificates) return;
  const wechat = await wechatOverTls(t, certificates, 'http://127.0.0.1:1/');
  const hosts = { 'api.weixin.qq.com': '127.0.0.1', 'api2.weixin.qq.com': '127.0.0.1' };
  const strict = await squidForTest(t, { hosts });
  const asking = await squidForTest(t, { hosts, tlsPorts: [wechat.port], user: USER });
  if (!strict || !asking) return;
  const webServer = await startTcpServer(t, (socket) =>
    socket.end('HTTP/1.1 405 Not Allowed\r\nServer: nginx\r\nContent-Length: 4\r\n\r\npage'),
  );
  const wrong = asking.url.replace('//', `//${USER.name}:wrong-password@`);
  const closed = 'http://127.0.0.1:1';
  const cases = [
    ['a port it does not allow', strict.url, 'proxy_refused', 'account', /CONNECT/],
    ['no password', asking.url, 'proxy_unauthenticated', 'account', /WECHAT_PROXY/],
    ['a wrong password', wrong, 'proxy_unauthenticated', 'account', /WECHAT_PROXY/],
    ['a closed port', closed, 'proxy_failed', 'transient', /proxy/],
    [
      'an unavailable target',
      asking.url.replace('//', `//${USER.name}:${encodeURIComponent(USER.password)}@`),
      'proxy_failed',
      'transient',
      /proxy/,
    ],
    ['a web server', webServer.url, 'proxy_unfit', 'account', /WECHAT_PROXY/],
    [
      'TLS where there is none',
      strict.url.replace('http:', 'https:'),
      'proxy_tls',
      'account',
      /WECHAT_CA_FILE/,
    ],
  ] as const;
  for (const [what, proxyUrl, code, failureClass, advice] of cases) {
    const baseUrl = what === 'an unavailable target' ? 'https://api2.weixin.qq.com' : wechat.url;
    const { api, downloader } = clients(t, baseUrl, proxyUrl, certificates);
    for (const attempt of [
      () => api.requestToken(account(), signal),
      () => downloader.open(REQUEST, signal),
    ]) {
      const { failure } = await failureOf(attempt());
      assert.deepEqual([failure.code, failure.class], [code, failureClass], `${what}: ${failure.detail}`);
      assert.match(explain(failure).advice.en, advice, what);
    }
  }
});

test('a link that the proxy refuses is a transient failure of the item and does not hold the account', async (t) => {
  const certificates = await certificatesForTest(t);
  const link = {
    url: `http://${PUBLIC}/vweixinp.tc.qq.com/1.mp4`,
    source: 'pic_url',
    kind: 'image',
  } as const;
  const denying = await squidForTest(t, { lines: [`acl cdn dst ${PUBLIC}`, 'http_access deny cdn'] });
  const asking = await squidForTest(t, { user: USER });
  if (!denying || !asking || !certificates) return;
  for (const [proxyUrl, code] of [
    [denying.url, 'proxy_refused'],
    [asking.url, 'proxy_unauthenticated'],
  ] as const) {
    const { downloader } = clients(t, 'https://api.weixin.qq.com', proxyUrl, certificates);
    const { failure } = await failureOf(downloader.openLink(link, signal));
    assert.deepEqual([failure.code, failure.class], [code, 'transient'], failure.detail);
  }
});

test("an HTTP error of the link's host is not taken for an error of the proxy", async (t) => {
  const certificates = await certificatesForTest(t);
  const squid = await squidForTest(t);
  if (!squid || !certificates) return;
  for (const status of [403, 404, 405, 502]) {
    const cdn = await startHttpServer(t, (_request, response) => response.writeHead(status).end('no'));
    const allowHosts = [`127.0.0.1:${cdn.port}`];
    const { downloader } = clients(t, 'https://api.weixin.qq.com', squid.url, certificates, { allowHosts });
    const link = { url: `http://127.0.0.1:${cdn.port}/a`, source: 'pic_url', kind: 'image' } as const;
    const { failure } = await failureOf(downloader.openLink(link, signal));
    assert.match(failure.code, /^http_/, String(status));
    assert.match(failure.detail ?? '', new RegExp(`HTTP ${status}`));
  }
});

test('the SSRF guard refuses private addresses, and names that resolve to them, behind a proxy too', async (t) => {
  const certificates = await certificatesForTest(t);
  const cdn = await startHttpServer(t, (_request, response) => response.end(MP4));
  const squid = await squidForTest(t, { hosts: { 'vweixinp.tc.qq.com': '127.0.0.1' } });
  if (!squid || !certificates) return;
  const resolve: DownloaderOptions['resolve'] = (_name, _options, callback) =>
    callback(null, [{ address: '10.0.0.7', family: 4 }]);
  const { downloader } = clients(t, 'https://api.weixin.qq.com', squid.url, certificates, { resolve });
  for (const url of [
    `http://127.0.0.1:${cdn.port}/vweixinp.tc.qq.com/1.mp4`,
    'http://169.254.169.254/vweixinp.tc.qq.com/1.mp4',
    'http://vweixinp.tc.qq.com/1.mp4',
    'https://vweixinp.tc.qq.com/1.mp4',
  ]) {
    const { failure } = await failureOf(
      downloader.openLink({ url, source: 'pic_url', kind: 'image' }, signal),
    );
    assert.equal(failure.code, 'address_refused', url);
  }
  assert.equal(cdn.requests.length, 0);
});

test('a redirect that comes through the proxy is not followed', async (t) => {
  const certificates = await certificatesForTest(t);
  const squid = await squidForTest(t);
  if (!squid || !certificates) return;
  const inner = await startHttpServer(t, (_request, response) => response.end(MP4));
  const cdn = await startHttpServer(t, (_request, response) =>
    response.writeHead(302, { location: inner.url }).end(),
  );
  const allowHosts = [`127.0.0.1:${cdn.port}`];
  const { downloader } = clients(t, 'https://api.weixin.qq.com', squid.url, certificates, { allowHosts });
  const link = { url: `http://127.0.0.1:${cdn.port}/a`, source: 'pic_url', kind: 'image' } as const;
  await failureOf(downloader.openLink(link, signal));
  assert.equal(inner.requests.length, 0);
});
