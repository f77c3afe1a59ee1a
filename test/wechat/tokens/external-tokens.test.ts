/** Tokens that other programs maintain, in Redis, in an HTTP service or in the configuration. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import type { Account, TokenSource } from '../../../src/account.ts';
import { missing, redisForTest } from '../../machine/services.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';
import { codeOf, NEVER, START, setup } from './setup.ts';

const from = (tokenSource: TokenSource, more: Partial<Account> = {}) =>
  account({ secret: '', tokenSource, ...more });

const VALUE = `77_${'k'.repeat(133)}`;
const FORMATS: [name: string, value: string, expiresAt?: string][] = [
  ['bare, WxJava', VALUE],
  ['a JSON string, wechatpy and silenceper', JSON.stringify(VALUE)],
  [
    'JSON in milliseconds, Node SDKs',
    `{"accessToken":"${VALUE}","expireTime":1767229200000}`,
    '2026-01-01T01:00:00Z',
  ],
  ['JSON in seconds', `{"access_token":"${VALUE}","expires_at":1767229200}`, '2026-01-01T01:00:00Z'],
  ['expires_in with an unknown start', `{"access_token":"${VALUE}","expires_in":7200}`],
  ['PHP string, EasyWeChat', `s:${VALUE.length}:"${VALUE}";`],
  [
    'PHP array, EasyWeChat 5',
    `a:2:{s:12:"access_token";s:${VALUE.length}:"${VALUE}";s:10:"expires_in";i:7200;}`,
  ],
];

test('a token in Redis is read in every format of the common SDKs', { skip: missing.redis }, async (t) => {
  const redis = await redisForTest(t);
  if (!redis) return;
  const { url, prefix }: { url: string; prefix: string } = redis;
  const client = new Redis(url);
  t.after(() => client.disconnect());
  const { process } = setup(t, 'http://127.0.0.1:1');
  for (const [name, value, expiresAt] of FORMATS) {
    const key: string = `${prefix}${name}`;
    await client.set(key, value, 'PX', 900_000);
    await client.hset(`${key}-hash`, 'the field', value);
    const token = await process().get(from({ type: 'redis', url, key }), NEVER);
    assert.equal(token.value, VALUE, name);
    const end = expiresAt ? Date.parse(expiresAt) : START + 900_000;
    assert.ok(Math.abs(token.expiresAt.getTime() - end) < 5_000, `${name}: ${token.expiresAt.toISOString()}`);
    const inHash: TokenSource = { type: 'redis', url, key: `${key}-hash`, field: 'the field' };
    assert.equal((await process().get(from(inHash), NEVER)).value, VALUE, `${name}, in a hash`);
  }
  await client.hset(`${prefix}fields`, { accessToken: VALUE, expireTime: '1767229200000' });
  const fields = from({ type: 'redis', url, key: `${prefix}fields` });
  assert.equal((await process().get(fields, NEVER)).value, VALUE, 'a hash without a field named');
});

test('a missing or unreadable token in Redis, and an unavailable Redis, are failures without secrets', {
  skip: missing.redis,
}, async (t) => {
  const redis = await redisForTest(t);
  if (!redis) return;
  const client = new Redis(redis.url);
  t.after(() => client.disconnect());
  await client.set(`${redis.prefix}odd`, 'O:8:"stdClass":1:{s:5:"token";s:3:"abc";}');
  await client.lpush(`${redis.prefix}list`, 'x');
  const { process, lines } = setup(t, 'http://127.0.0.1:1');
  for (const key of ['none', 'odd', 'list']) {
    const source = from({ type: 'redis', url: redis.url, key: `${redis.prefix}${key}` });
    assert.equal(await codeOf(process().get(source, NEVER)), 'token_unavailable');
  }
  const unavailable = from({ type: 'redis', url: 'redis://:topsecret@127.0.0.1:1', key: 'k' });
  assert.equal(await codeOf(process().get(unavailable, NEVER)), 'token_unavailable');
  assert.doesNotMatch(lines.join(''), /topsecret/);
});

test('a command to a Redis that does not respond ends with a timeout', async (t) => {
  const silent = createServer(() => {});
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
  const { process } = setup(t, 'http://127.0.0.1:1');
  const url = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const tokens = process();
  assert.equal(await codeOf(tokens.get(from({ type: 'redis', url, key: 'k' }), NEVER)), 'token_unavailable');
  await tokens.close();
  silent.close();
});

test('a token service is read, gets a refused token reported once, and WeChat is never asked instead', async (t) => {
  const state = { body: 'T-1', status: 200 };
  const wechat = await startHttpServer(t, (_request, response) => response.end('{}'));
  const service = await startHttpServer(t, (_request, response) =>
    response.writeHead(state.status).end(state.body),
  );
  const { process, time, lines } = setup(t, wechat.url);
  const tokens = process();
  const shop = from({
    type: 'http',
    url: `${service.url}/token?key=hidden`,
    authorization: 'Bearer letmein',
    reportUrl: `${service.url}/bad`,
  });
  const first = await tokens.get(shop, NEVER);
  assert.equal(first.value, 'T-1');
  assert.equal(service.requests[0]!.headers.authorization, 'Bearer letmein');
  await tokens.get(shop, NEVER);
  assert.equal(service.requests.length, 1, 'not read for each item');

  const reports = await Promise.all([1, 2, 3].map(() => tokens.reportRefused(shop, first, NEVER)));
  assert.deepEqual(
    reports,
    [5_000, 5_000, 5_000].map((retryAfterMs) => ({ retryAfterMs })),
  );
  const posts = () => service.requests.filter(({ method }) => method === 'POST');
  assert.deepEqual(
    posts().map(({ url, body }) => [url, JSON.parse(body)]),
    [['/bad', { appId: shop.appId, accessToken: 'T-1' }]],
  );

  state.body = '{"code":0,"data":{"access_token":"T-2","expires_in":600}}';
  assert.deepEqual(await tokens.reportRefused(shop, first, NEVER), { retryAfterMs: 0 });
  const second = await tokens.get(shop, NEVER);
  assert.deepEqual([second.value, second.expiresAt.getTime()], ['T-2', START + 600_000]);
  assert.equal(posts().length, 1);

  state.status = 503;
  time.nowMs += 60_000;
  assert.equal(
    (await tokens.get(shop, NEVER)).value,
    'T-2',
    'while it is unavailable the last token is used',
  );
  time.nowMs += 600_000;
  assert.equal(await codeOf(tokens.get(shop, NEVER)), 'token_unavailable');
  assert.equal(wechat.requests.length, 0);
  assert.doesNotMatch(lines.join(''), /hidden|letmein|T-1|T-2/);
});

test('an external token that stays refused holds the account, until a call succeeds', async (t) => {
  const { process, time } = setup(t, 'http://127.0.0.1:1');
  const tokens = process();
  const trial = from({ type: 'static', accessToken: 'TRIAL-TOKEN' });
  const token = await tokens.get(trial, NEVER);
  assert.equal(token.value, 'TRIAL-TOKEN');
  const refuse = async () => {
    time.nowMs += 6_000;
    return await tokens.reportRefused(trial, token, NEVER);
  };
  for (let attempt = 0; attempt < 3; attempt++) assert.deepEqual(await refuse(), { retryAfterMs: 5_000 });
  assert.equal(await codeOf(refuse()), 'supplied_token_refused');
  tokens.reportAccepted(trial);
  assert.deepEqual(await refuse(), { retryAfterMs: 5_000 });
});

test('an external token that is replaced repeatedly without success is a conflict', async (t) => {
  let serial = 0;
  const service = await startHttpServer(t, (_request, response) => response.end(`T-${++serial}`));
  const { process, time } = setup(t, 'http://127.0.0.1:1');
  const tokens = process();
  const shop = from({ type: 'http', url: service.url });
  const replaceFromOutside = async () => {
    const token = await tokens.get(shop, NEVER);
    time.nowMs += 6_000;
    return await tokens.reportRefused(shop, token, NEVER);
  };
  for (let attempt = 0; attempt < 3; attempt++)
    assert.deepEqual(await replaceFromOutside(), { retryAfterMs: 0 });
  assert.equal(await codeOf(replaceFromOutside()), 'token_conflict');
});
