import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { FailureError } from '../../../src/failures.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import { account } from '../callback/vectors.ts';
import { closedPort, startHttpServer, startTcpServer } from '../servers.ts';

const ACCOUNT = account();
const NEVER = new AbortController().signal;

function open(t: TestContext, baseUrl: string, more: { proxyUrl?: string; timeoutMs?: number } = {}) {
  const api = createWechatApi({ baseUrl, ...more });
  t.after(() => api.close());
  return api;
}

async function failureOf(promise: Promise<unknown>) {
  const error = await promise.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FailureError, inspect(error));
  const shown = inspect(error, { depth: 10, showHidden: true });
  assert.ok(!shown.includes(ACCOUNT.secret), 'the secret stays out of the error');
  return error.failure;
}

test('a token is requested by stable_token in normal mode', async (t) => {
  const wechat = await startHttpServer(t, (_request, response) =>
    response.end('{"access_token":"T1","expires_in":7200}'),
  );
  const token = await open(t, wechat.url).requestToken(ACCOUNT, NEVER);
  assert.deepEqual(token, { value: 'T1', expiresInMs: 7_200_000 });
  const [{ method, url, body, headers }] = wechat.requests as [(typeof wechat.requests)[0]];
  assert.equal(`${method} ${url}`, 'POST /cgi-bin/stable_token');
  assert.equal(headers['accept-encoding'], 'identity');
  assert.deepEqual(JSON.parse(body), {
    grant_type: 'client_credential',
    appid: ACCOUNT.appId,
    secret: ACCOUNT.secret,
  });
});

test('an errcode is read in every form in which WeChat sends it', async (t) => {
  const bodies: [string, string, string][] = [
    [
      '{"errcode":40164,"errmsg":"invalid ip 1.2.3.4, not in whitelist rid: 60-ab"}',
      'account',
      'ip_not_allowed',
    ],
    ['{"errcode":"40164","errmsg":"invalid ip 1.2.3.4 rid: 60-ab"}', 'account', 'ip_not_allowed'],
    ['\uFEFF {"errcode":40001,"errmsg":"raw \x01\n control rid: 60-ab"}', 'account', 'app_secret_wrong'],
    ['{"errcode":-1,"errmsg":"system error","rid":"60-ab"}', 'transient', 'system_busy'],
    ['{"base_resp":{"errcode":45009},"rid":"60-ab"}', 'day_quota', 'token_day_quota'],
    ['{"errcode":123456,"rid":"60-ab"}', 'unknown', 'unknown_errcode'],
    [`{"errcode":40125,"errmsg":"secret ${ACCOUNT.secret} rid: 60-ab"}`, 'account', 'app_secret_wrong'],
  ];
  let body = '';
  const wechat = await startHttpServer(t, (_request, response) => response.end(body));
  const api = open(t, wechat.url);
  for (const [text, failureClass, code] of bodies) {
    body = text;
    const failure = await failureOf(api.requestToken(ACCOUNT, NEVER));
    assert.equal(failure.class, failureClass, text);
    assert.equal(failure.code, code);
    assert.equal(failure.rid, '60-ab');
    assert.ok(!JSON.stringify(failure).includes(ACCOUNT.secret));
  }
});

test('a response without a usable token is malformed_answer', async (t) => {
  const bodies = [
    '',
    '<html>',
    '[]',
    '{}',
    '{"errcode":0}',
    '{"access_token":"","expires_in":7200}',
    '{"access_token":"T 1\\n","expires_in":7200}',
    '{"access_token":"T1"}',
    '{"access_token":"T1","expires_in":-1}',
    `{"access_token":"${'T'.repeat(100_000)}","expires_in":7200}`,
  ];
  let body = '';
  const wechat = await startHttpServer(t, (_request, response) => response.end(body));
  const api = open(t, wechat.url);
  for (const text of bodies) {
    body = text;
    assert.equal(
      (await failureOf(api.requestToken(ACCOUNT, NEVER))).code,
      'malformed_answer',
      text.slice(0, 40),
    );
  }
});

test('expires_in may be a string, and is cut to a day', async (t) => {
  let body = '{"access_token":"T1","expires_in":"300"}';
  const wechat = await startHttpServer(t, (_request, response) => response.end(body));
  const api = open(t, wechat.url);
  assert.equal((await api.requestToken(ACCOUNT, NEVER)).expiresInMs, 300_000);
  body = '{"access_token":"T1","expires_in":1e300}';
  assert.equal((await api.requestToken(ACCOUNT, NEVER)).expiresInMs, 86_400_000);
});

test('an HTTP status has its failure class, and a redirect is not followed', async (t) => {
  let status = 0;
  const wechat = await startHttpServer(t, (_request, response) => {
    response.writeHead(status, { location: '/elsewhere' }).end('nothing');
  });
  const api = open(t, wechat.url);
  const expected = {
    302: 'http_refused',
    403: 'http_refused',
    408: 'http_status',
    429: 'http_busy',
    502: 'http_status',
  };
  for (const [code, expectedCode] of Object.entries(expected)) {
    status = Number(code);
    assert.equal((await failureOf(api.requestToken(ACCOUNT, NEVER))).code, expectedCode);
  }
  assert.equal(wechat.requests.length, 5);
});

test('a refused, broken or inactive connection is a failure without the secret', async (t) => {
  const refused = open(t, `http://127.0.0.1:${await closedPort()}`);
  assert.equal((await failureOf(refused.requestToken(ACCOUNT, NEVER))).code, 'network');
  const broken = await startTcpServer(t, (socket) => socket.destroy());
  assert.equal((await failureOf(open(t, broken.url).requestToken(ACCOUNT, NEVER))).code, 'network');
  const silent = await startTcpServer(t, () => {});
  const withTimeout = open(t, silent.url, { timeoutMs: 100 });
  assert.equal((await failureOf(withTimeout.requestToken(ACCOUNT, NEVER))).code, 'timeout');
});

test('the whole call has a timeout, even while bytes arrive slowly', async (t) => {
  const trickling = await startHttpServer(t, (_request, response) => {
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  });
  const api = open(t, trickling.url, { timeoutMs: 150 });
  assert.equal((await failureOf(api.requestToken(ACCOUNT, NEVER))).code, 'timeout');
});

test("a call rejects with the reason of the caller's abort", async (t) => {
  const silent = await startTcpServer(t, () => {});
  const reason = new Error('closing');
  const controller = new AbortController();
  const call = open(t, silent.url).requestToken(ACCOUNT, controller.signal);
  controller.abort(reason);
  await assert.rejects(call, (error) => error === reason);
});

test('a call uses the configured proxy and no proxy of the environment', async (t) => {
  const wechat = await startHttpServer(t, (_request, response) =>
    response.end('{"access_token":"T1","expires_in":7200}'),
  );
  const seen: string[] = [];
  const proxy = await startTcpServer(t, (socket, head) => {
    seen.push(head.split('\r\n')[0]!);
    const onward = connect(wechat.port, '127.0.0.1', () =>
      onward.write(head.replace(/ http:\/\/[^/]+/, ' ')),
    );
    onward.pipe(socket);
  });
  await open(t, wechat.url, { proxyUrl: proxy.url }).requestToken(ACCOUNT, NEVER);
  assert.equal(seen.length, 1);
  assert.match(seen[0]!, /^POST http:\/\/127\.0\.0\.1:\d+\/cgi-bin\/stable_token/);

  process.env.HTTP_PROXY = proxy.url;
  process.env.http_proxy = proxy.url;
  t.after(() => {
    delete process.env.HTTP_PROXY;
    delete process.env.http_proxy;
  });
  await open(t, wechat.url).requestToken(ACCOUNT, NEVER);
  assert.equal(seen.length, 1);
});
