import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { createLog } from '../../src/runtime/log.ts';
import { createRedactor, redact } from '../../src/runtime/redaction.ts';

const SECRET = 'S3cr3t-Value_0123456789';

describe('a secret is removed from a text', () => {
  const json = (value: unknown, times = 1): string =>
    times === 0 ? (value as string) : json(JSON.stringify(value), times - 1);
  const shapes: Record<string, string> = {
    'a token in a URL': `https://api.weixin.qq.com/cgi-bin/media/get?access_token=${SECRET}&media_id=1`,
    'a secret in a URL': `https://api.weixin.qq.com/cgi-bin/token?appid=wx1&secret=${SECRET}`,
    'a WeCom secret': `/cgi-bin/gettoken?corpid=ww1&corpsecret=${SECRET}`,
    "a third-party platform's token": `?component_access_token=${SECRET}`,
    'a video link': `http://vweixinf.tc.qq.com/1.mp4?vkey=${SECRET}`,
    'a jsapi ticket': `ticket=${SECRET}`,
    "a callback's signature": `/wechat/wx1?msg_signature=${SECRET}&nonce=1`,
    'a one-time link': `http://127.0.0.1:8080/login?key=${SECRET}`,
    'a presigned link': `https://b.s3.example/k?X-Amz-Expires=900&X-Amz-Signature=${SECRET}`,
    'its credential': `?X-Amz-Credential=${SECRET}%2F20260101%2Fus-east-1`,
    'its session token': `&X-Amz-Security-Token=${SECRET}`,
    'a query inside a query': `?next=https%3A%2F%2Fa%2F%3Faccess_token%3D${SECRET}%26b%3D1`,
    'a query in HTML': `?a=1&amp;secret=${SECRET}`,
    'a query in careful JSON': `{"url":"?a=1\\u0026access_token=${SECRET}"}`,
    'a form in brackets': `(access_token=${SECRET})`,
    'a variable': `WECHAT_APP_SECRET=${SECRET}`,
    'a quoted variable': `S3_SECRET_ACCESS_KEY="${SECRET}"`,
    'a JSON member': json({ access_token: SECRET, expires_in: 7200 }),
    'pretty JSON': JSON.stringify({ secret: SECRET }, null, 2),
    'JSON inside JSON': json({ app_secret: SECRET, b: 'c' }, 2),
    'JSON inside JSON inside JSON': json({ appsecret: SECRET, b: 'c' }, 3),
    'JSON cut in the middle': json({ detail: json({ refresh_token: SECRET }).slice(0, -4) }),
    'a JSON value with a quote in it': json({ password: `pa"${SECRET}` }),
    'credentials of an S3 client': json({ secretAccessKey: SECRET, sessionToken: SECRET }),
    'an AES key': json({ encodingAesKey: SECRET }),
    'an API key': json({ apiKey: SECRET }),
    'an inspected object': inspect({ headers: { authorization: SECRET }, access_token: SECRET }),
    'a bearer header': `Authorization: Bearer ${SECRET}`,
    'a bearer alone': `bearer ${SECRET}`,
    'a basic header': `Basic ${SECRET}`,
    'a signed S3 request': `AWS4-HMAC-SHA256 Credential=${SECRET}/s3, SignedHeaders=host, Signature=${SECRET}`,
    'a cookie': `Cookie: a=b; wma=${SECRET}`,
    'a cookie being set': `set-cookie: wma=${SECRET}; HttpOnly`,
    'cookies in a list': json({ 'set-cookie': ['a=b', `wma=${SECRET}`] }),
    'a database URL': `postgres://wma:${SECRET}@db.example:5432/wma`,
    'a Redis URL': `rediss://:${SECRET}@cache.example:6380/0`,
    'a password with @ in a URL': `postgres://wma:pa@${SECRET}@db.example/wma`,
    'a password with / in a URL': `redis://:pa/${SECRET}@cache.example`,
  };
  for (const [name, text] of Object.entries(shapes)) {
    test(name, () => {
      const scrubbed = redact(text);
      assert.ok(!scrubbed.includes(SECRET), scrubbed);
      assert.equal(redact(scrubbed), scrubbed, 'twice is as once');
    });
  }
});

describe('a redacted text', () => {
  test('stays readable around the secret', () => {
    assert.equal(
      redact(`GET https://h/cgi-bin/media/get?access_token=${SECRET}&media_id=M1 HTTP 502`),
      'GET https://h/cgi-bin/media/get?access_token=[redacted]&media_id=M1 HTTP 502',
    );
    assert.equal(redact(`postgres://wma:${SECRET}@db:5432/wma`), 'postgres://wma:[redacted]@db:5432/wma');
  });

  test('is still JSON where it was JSON', () => {
    const line = { headers: { 'set-cookie': [SECRET, 'b'] }, body: JSON.stringify({ token: SECRET }), ms: 3 };
    const parsed = JSON.parse(redact(JSON.stringify(line)));
    assert.equal(parsed.ms, 3);
    assert.deepEqual(JSON.parse(parsed.body), { token: '[redacted]' });
  });

  for (const text of [
    'access token expired: asked for a new one',
    '{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest rid: 1-2-3"}',
    '{"objectKey":"wx1/2026/01/02/m_0.jpg","sizeBytes":12}',
    'http://127.0.0.1:8080/v1/media?account=wx1',
    '{"expires_in":7200,"token":{"state":"fresh"}}',
  ]) {
    test(`is everything of: ${text}`, () => assert.equal(redact(text), text));
  }

  test('takes linear time, whatever the input is', () => {
    for (const piece of ['a.', '://a:', 'token:"', 'cookie:[', 'token\\', "secret:'", 'bearer ']) {
      const startedAt = performance.now();
      redact(piece.repeat(200_000 / piece.length));
      assert.ok(performance.now() - startedAt < 2000, piece);
    }
  });
});

describe('a configured secret', () => {
  test('is removed wherever it stands, the longer of two first', () => {
    const clean = createRedactor(['abcdef', 'abcdefghij']);
    assert.equal(clean('x abcdefghij y abcdef z'), 'x [redacted] y [redacted] z');
  });

  test('is recognised in JSON, in JSON inside JSON and in a URL', () => {
    const awkward = 'pa"ss\\wörd @/1';
    const clean = createRedactor([awkward]);
    const once = JSON.stringify({ text: `it is ${awkward}.` });
    assert.deepEqual(JSON.parse(clean(once)), { text: 'it is [redacted].' });
    assert.equal(clean(JSON.stringify(once)), JSON.stringify(JSON.stringify({ text: 'it is [redacted].' })));
    assert.equal(clean(`u=${encodeURIComponent(awkward)}`), 'u=[redacted]');
  });

  test('of under six characters is left alone, because it would cut words', () => {
    assert.equal(createRedactor(['media', ''])('media of media'), 'media of media');
  });
});

describe('a log line', () => {
  function open() {
    const lines: string[] = [];
    const log = createLog({
      level: 'trace',
      program: 'test',
      secrets: [SECRET],
      write: (line) => lines.push(line),
    });
    return { log, lines, all: () => lines.join('') };
  }

  test('is JSON with the time and the program', () => {
    const { log, lines } = open();
    log.info({ account: 'wx1' }, 'started');
    const line = JSON.parse(lines[0] ?? '');
    assert.equal(line.program, 'test');
    assert.equal(line.account, 'wx1');
    assert.equal(line.msg, 'started');
    assert.match(line.time, /^\d{4}-\d\d-\d\dT.*Z$/);
  });

  test('never shows a configured secret: message, member, nested, error, cause, child', () => {
    const { log, lines, all } = open();
    const cause = Object.assign(new Error(`cause ${SECRET}`), { config: { headers: [SECRET] } });
    const error = Object.assign(new Error(`failed with ${SECRET}`, { cause }), { url: `/x/${SECRET}/y` });
    log.info(`message ${SECRET}`);
    log.info('formatted %s %j', SECRET, { a: SECRET });
    log.warn({ a: { b: [{ c: SECRET }] } }, 'nested');
    log.error({ err: error }, 'an error');
    log.error({ failure: { err: error, cause } }, 'a nested error');
    log.fatal(error);
    log.child({ job: SECRET }).trace('a child');
    log.info({ [SECRET]: 'as a name' }, 'a name');
    assert.equal(lines.length, 8);
    assert.ok(!all().includes(SECRET), all());
    for (const line of lines) JSON.parse(line);
  });

  test('never shows a token that is not configured, in an error either', () => {
    const { log, all } = open();
    const token = '87_abcdefghijklmnop';
    log.error({ err: new Error(`GET /cgi-bin/media/get?access_token=${token}&media_id=1 failed`) }, 'x');
    log.error({ err: Object.assign(new Error('x'), { config: { data: `{"access_token":"${token}"}` } }) });
    assert.ok(!all().includes(token), all());
  });

  test('below the level is not written', () => {
    const lines: string[] = [];
    const write = (line: string) => lines.push(line);
    createLog({ level: 'warn', program: 'test', secrets: [], write }).info('quiet');
    assert.deepEqual(lines, []);
  });
});
