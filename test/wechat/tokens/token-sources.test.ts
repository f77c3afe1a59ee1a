import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Account, TokenSource } from '../../../src/account.ts';
import { FailureError } from '../../../src/failures.ts';
import { createLifetimes } from '../../../src/runtime/clock.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import { encryptTicket } from '../../../src/wechat/tokens/component-tokens.ts';
import { createTokens, type StoredToken, type TokenStore } from '../../../src/wechat/tokens/tokens.ts';
import { missing, redisForTest } from '../../machine/services.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';

const NEVER = new AbortController().signal;
const START = Date.parse('2026-01-01T00:00:00Z');

/** What processes share, as the catalogue's rows do it: by account. */
function memoryStore(): TokenStore & { rows: Map<string, StoredToken> } {
  const rows = new Map<string, StoredToken>();
  const leases = new Map<string, string>();
  return {
    rows,
    read: async (id) => rows.get(id),
    takeLease: async (id, holder) => {
      await setImmediate();
      if (leases.has(id) && leases.get(id) !== holder) return false;
      leases.set(id, holder);
      return true;
    },
    write: async (id, token, replaces) => {
      if ((rows.get(id)?.fingerprint ?? null) !== replaces) return false;
      rows.set(id, token);
      leases.delete(id);
      return true;
    },
    dropLease: async (id, holder) => {
      if (leases.get(id) === holder) leases.delete(id);
    },
  };
}

function memoryKept() {
  const values = new Map<string, string>();
  return {
    values,
    read: async (name: string) => values.get(name),
    write: async (name: string, sealed: string) => void values.set(name, sealed),
  };
}

function keepTicket(kept: ReturnType<typeof memoryKept>, of: Account, ticket: string): Promise<void> {
  const { name, encrypted: sealed } = encryptTicket(of, ticket);
  return kept.write(name, sealed);
}

function world(t: TestContext, baseUrl: string, more: { wecomBaseUrl?: string } = {}) {
  const time = { nowMs: START };
  const api = createWechatApi({ baseUrl, ...more });
  t.after(() => api.close());
  const store = memoryStore();
  const kept = memoryKept();
  const lines: string[] = [];
  const log = createLog({ level: 'debug', program: 'test', secrets: [], write: (line) => lines.push(line) });
  const clock = {
    now: () => new Date(time.nowMs),
    sleep: async (_ms: number, signal?: AbortSignal) => {
      await setImmediate(undefined, signal ? { signal } : {});
    },
  };
  const lifetimes = createLifetimes({ mediaLifetimeMs: 1, timeScale: 1 });
  const process = () => {
    const tokens = createTokens({ api, store, secrets: kept, clock, lifetimes, log });
    t.after(() => tokens.close());
    return tokens;
  };
  return { time, store, kept, lines, clock, process };
}

const from = (tokenSource: TokenSource, more: Partial<Account> = {}) =>
  account({ secret: '', tokenSource, ...more });

const codeOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    (value) => assert.fail(`came: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FailureError, String(error));
  return error.failure.code;
};

/** /cgi-bin/token as it is: each answer voids the one before. */
async function classic(t: TestContext) {
  const state = { serial: 0 };
  const platform = await startHttpServer(t, (_request, response) =>
    response.end(`{"access_token":"CLASSIC-${++state.serial}","expires_in":7200}`),
  );
  const SHOP = account({ tokenSource: { type: 'token' } });
  return { ...world(t, platform.url), platform, state, SHOP };
}

test('the classic token is asked for by GET, once for many processes', async (t) => {
  const { platform, process, SHOP } = await classic(t);
  const processes = [process(), process(), process()];
  const got = await Promise.all(processes.flatMap((tokens) => [1, 2, 3].map(() => tokens.get(SHOP, NEVER))));
  assert.deepEqual([...new Set(got.map(({ value }) => value))], ['CLASSIC-1']);
  assert.deepEqual(
    platform.requests.map(({ method, url }) => [method, url]),
    [['GET', `/cgi-bin/token?grant_type=client_credential&appid=${SHOP.appId}&secret=${SHOP.secret}`]],
  );
});

test('a classic token is never refreshed where another process already did', async (t) => {
  const { platform, process, SHOP, time } = await classic(t);
  const [one, two] = [process(), process()];
  const bad = await one.get(SHOP, NEVER);
  await two.get(SHOP, NEVER);
  time.nowMs += 61_000;
  const reports = [one, two].flatMap((tokens) => [1, 2, 3].map(() => tokens.reportRefused(SHOP, bad, NEVER)));
  for (const report of await Promise.all(reports)) assert.deepEqual(report, { retryAfterMs: 0 });
  assert.equal(platform.requests.length, 2);
  for (const tokens of [one, two]) assert.equal((await tokens.get(SHOP, NEVER)).value, 'CLASSIC-2');
});

test('a burst of 40001 in the first minute of a classic token refreshes nothing', async (t) => {
  const { platform, process, SHOP, time } = await classic(t);
  const tokens = process();
  const token = await tokens.get(SHOP, NEVER);
  for (let second = 0; second < 59; second += 5) {
    assert.deepEqual(await tokens.reportRefused(SHOP, token, NEVER), {
      retryAfterMs: Math.min(60_000 - (time.nowMs - START), 5_000),
    });
    time.nowMs += 5_000;
  }
  assert.equal(platform.requests.length, 1);
});

test('somebody else who keeps refreshing is named, even where every replacement works', async (t) => {
  const { process, SHOP, time, lines } = await classic(t);
  const tokens = process();
  const said = () => lines.filter((line) => line.includes('somebody else keeps refreshing')).length;
  for (let theft = 1; theft <= 3; theft++) {
    assert.equal(said(), 0);
    const token = await tokens.get(SHOP, NEVER);
    tokens.reportAccepted(SHOP);
    time.nowMs += 12 * 60_000;
    assert.deepEqual(await tokens.reportRefused(SHOP, token, NEVER), { retryAfterMs: 0 });
  }
  assert.equal(said(), 1);
  assert.match(lines.join(''), /"code":"token_conflict"/);
});

test('WeCom tokens come from gettoken at its own host', async (t) => {
  const wecom = await startHttpServer(t, (_request, response) =>
    response.end('{"errcode":0,"errmsg":"ok","access_token":"WECOM-1","expires_in":7200}'),
  );
  const { process } = world(t, 'http://127.0.0.1:1', { wecomBaseUrl: wecom.url });
  const corp = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom', secret: 's&=' });
  assert.equal((await process().get(corp, NEVER)).value, 'WECOM-1');
  assert.equal(wecom.requests[0]!.url, '/cgi-bin/gettoken?corpid=ww1&corpsecret=s%26%3D');
});

test('WeCom is asked for a refused token no sooner than after half a minute, by all processes together', async (t) => {
  const wecom = await startHttpServer(t, (_request, response) =>
    response.end('{"errcode":0,"errmsg":"ok","access_token":"WECOM-1","expires_in":7200}'),
  );
  const { process, time } = world(t, 'http://127.0.0.1:1', { wecomBaseUrl: wecom.url });
  const corp = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom' });
  const [one, two] = [process(), process()];
  const token = await one.get(corp, NEVER);
  for (let second = 0; second < 30; second += 5) {
    for (const tokens of [one, two]) await tokens.reportRefused(corp, token, NEVER);
    assert.equal(wecom.requests.length, 1, `after ${second} s`);
    time.nowMs += 5_000;
  }
  await one.reportRefused(corp, token, NEVER);
  assert.equal(wecom.requests.length, 2);
});

const VALUE = `77_${'k'.repeat(133)}`;
const LAYOUTS: [name: string, value: string, expiresAt?: string][] = [
  ['bare, WxJava', VALUE],
  ['a JSON string, wechatpy and silenceper', JSON.stringify(VALUE)],
  [
    'JSON in milliseconds, SDKs of Node',
    `{"accessToken":"${VALUE}","expireTime":1767229200000}`,
    '2026-01-01T01:00:00Z',
  ],
  ['JSON in seconds', `{"access_token":"${VALUE}","expires_at":1767229200}`, '2026-01-01T01:00:00Z'],
  ['expires_in of an unknown moment', `{"access_token":"${VALUE}","expires_in":7200}`],
  ['PHP string, EasyWeChat', `s:${VALUE.length}:"${VALUE}";`],
  [
    'PHP array, EasyWeChat 5',
    `a:2:{s:12:"access_token";s:${VALUE.length}:"${VALUE}";s:10:"expires_in";i:7200;}`,
  ],
];

test('a token in Redis is read in every layout of the common SDKs', { skip: missing.redis }, async (t) => {
  const redis = await redisForTest(t);
  if (!redis) return;
  const { url, prefix }: { url: string; prefix: string } = redis;
  const client = new Redis(url);
  t.after(() => client.disconnect());
  const { process } = world(t, 'http://127.0.0.1:1');
  for (const [name, value, expiresAt] of LAYOUTS) {
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

test('a Redis without the token, with nonsense, or not there is a failure that shows neither', {
  skip: missing.redis,
}, async (t) => {
  const redis = await redisForTest(t);
  if (!redis) return;
  const client = new Redis(redis.url);
  t.after(() => client.disconnect());
  await client.set(`${redis.prefix}odd`, 'O:8:"stdClass":1:{s:5:"token";s:3:"abc";}');
  await client.lpush(`${redis.prefix}list`, 'x');
  const { process, lines } = world(t, 'http://127.0.0.1:1');
  for (const key of ['none', 'odd', 'list']) {
    const source = from({ type: 'redis', url: redis.url, key: `${redis.prefix}${key}` });
    assert.equal(await codeOf(process().get(source, NEVER)), 'token_unavailable');
  }
  const away = from({ type: 'redis', url: 'redis://:topsecret@127.0.0.1:1', key: 'k' });
  assert.equal(await codeOf(process().get(away, NEVER)), 'token_unavailable');
  assert.doesNotMatch(lines.join(''), /topsecret/);
});

test('a Redis that does not answer is given up on', async (t) => {
  const silent = createServer(() => {});
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
  const { process } = world(t, 'http://127.0.0.1:1');
  const url = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const tokens = process();
  assert.equal(await codeOf(tokens.get(from({ type: 'redis', url, key: 'k' }), NEVER)), 'token_unavailable');
  await tokens.close();
  silent.close();
});

test("a token service is asked, told of a bad token once, and never in WeChat's place", async (t) => {
  const state = { answer: 'T-1', status: 200 };
  const wechat = await startHttpServer(t, (_request, response) => response.end('{}'));
  const service = await startHttpServer(t, (_request, response) =>
    response.writeHead(state.status).end(state.answer),
  );
  const { process, time, lines } = world(t, wechat.url);
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
  assert.equal(service.requests.length, 1, 'not asked for each media');

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

  state.answer = '{"code":0,"data":{"access_token":"T-2","expires_in":600}}';
  assert.deepEqual(await tokens.reportRefused(shop, first, NEVER), { retryAfterMs: 0 });
  const second = await tokens.get(shop, NEVER);
  assert.deepEqual([second.value, second.expiresAt.getTime()], ['T-2', START + 600_000]);
  assert.equal(posts().length, 1);

  state.status = 503;
  time.nowMs += 60_000;
  assert.equal((await tokens.get(shop, NEVER)).value, 'T-2', 'while it is away the last one serves');
  time.nowMs += 600_000;
  assert.equal(await codeOf(tokens.get(shop, NEVER)), 'token_unavailable');
  assert.equal(wechat.requests.length, 0);
  assert.doesNotMatch(lines.join(''), /hidden|letmein|T-1|T-2/);
});

test('a supplied token that stays refused holds the account, and a success forgives', async (t) => {
  const { process, time } = world(t, 'http://127.0.0.1:1');
  const tokens = process();
  const trial = from({ type: 'static', accessToken: 'TRIAL-TOKEN' });
  const token = await tokens.get(trial, NEVER);
  assert.equal(token.value, 'TRIAL-TOKEN');
  const refuse = async () => {
    time.nowMs += 6_000;
    return await tokens.reportRefused(trial, token, NEVER);
  };
  for (let round = 0; round < 3; round++) assert.deepEqual(await refuse(), { retryAfterMs: 5_000 });
  assert.equal(await codeOf(refuse()), 'supplied_token_refused');
  tokens.reportAccepted(trial);
  assert.deepEqual(await refuse(), { retryAfterMs: 5_000 });
});

test('a supplied token that is replaced again and again without help is a conflict', async (t) => {
  let serial = 0;
  const service = await startHttpServer(t, (_request, response) => response.end(`T-${++serial}`));
  const { process, time } = world(t, 'http://127.0.0.1:1');
  const tokens = process();
  const shop = from({ type: 'http', url: service.url });
  const steal = async () => {
    const token = await tokens.get(shop, NEVER);
    time.nowMs += 6_000;
    return await tokens.reportRefused(shop, token, NEVER);
  };
  for (let round = 0; round < 3; round++) assert.deepEqual(await steal(), { retryAfterMs: 0 });
  assert.equal(await codeOf(steal()), 'token_conflict');
});

/** A third-party platform with one account; refresh tokens rotate with every use. */
async function component(t: TestContext) {
  const state = { component: 0, account: 0, refresh: 'REFRESH-0', validComponent: '', info: 0 };
  const platform = await startHttpServer(t, (request, response, text) => {
    const url = new URL(request.url!, 'http://x');
    const body = JSON.parse(text);
    const say = (answer: object): void => void response.end(JSON.stringify(answer));
    if (url.pathname.endsWith('/api_component_token')) {
      if (body.component_verify_ticket !== 'ticket@@@1') return say({ errcode: 61006, errmsg: 'ticket' });
      state.validComponent = `COMPONENT-${++state.component}`;
      return say({ component_access_token: state.validComponent, expires_in: 7200 });
    }
    if (url.searchParams.get('component_access_token') !== state.validComponent)
      return say({ errcode: 42001, errmsg: 'expired' });
    if (url.pathname.endsWith('/api_get_authorizer_info')) {
      state.info++;
      return say({ authorization_info: { authorizer_refresh_token: state.refresh } });
    }
    if (body.authorizer_refresh_token !== state.refresh) return say({ errcode: 61023, errmsg: 'refresh' });
    state.refresh = `REFRESH-${++state.account}`;
    const next = { authorizer_refresh_token: state.refresh };
    say({ authorizer_access_token: `ACCOUNT-${state.account}`, expires_in: 7200, ...next });
  });
  const source = { type: 'component', componentAppId: 'wxcomponent' } as const;
  const SHOP = account({ secret: 'secret-of-the-platform', tokenSource: source });
  return { ...world(t, platform.url), platform, state, SHOP };
}

test('an account of a third-party platform waits for the first ticket, then gets its token', async (t) => {
  const { process, kept, SHOP, lines, state } = await component(t);
  const tokens = process();
  assert.equal(await codeOf(tokens.get(SHOP, NEVER)), 'component_ticket_missing');
  await keepTicket(kept, SHOP, 'ticket@@@1');
  assert.equal((await tokens.get(SHOP, NEVER)).value, 'ACCOUNT-1');
  assert.equal(state.info, 1, 'the refresh token was asked for, since none was configured');
  const atRest = [...kept.values.values()].join();
  assert.doesNotMatch(atRest + lines.join(''), /ticket@@@1|REFRESH-|ACCOUNT-1|COMPONENT-1/);
});

test('a refresh token that rotates survives its process; a configured one that is too old is replaced', async (t) => {
  const { process, kept, SHOP, state, time } = await component(t);
  await keepTicket(kept, SHOP, 'ticket@@@1');
  const configured = {
    ...SHOP,
    tokenSource: { ...SHOP.tokenSource, refreshToken: 'REFRESH-0' } as TokenSource,
  };
  assert.equal((await process().get(configured, NEVER)).value, 'ACCOUNT-1');
  time.nowMs += 7_000_000;
  assert.equal((await process().get(configured, NEVER)).value, 'ACCOUNT-2');
  assert.equal(state.info, 0);
  state.refresh = 'REFRESH-of-a-new-authorisation';
  time.nowMs += 7_000_000;
  assert.equal((await process().get(configured, NEVER)).value, 'ACCOUNT-3');
  assert.equal(state.info, 1);
});

test("a platform's token that is refused is replaced once", async (t) => {
  const { process, kept, SHOP, state, time, platform } = await component(t);
  await keepTicket(kept, SHOP, 'ticket@@@1');
  const tokens = process();
  await tokens.get(SHOP, NEVER);
  assert.equal(state.component, 1);
  state.validComponent = 'taken by somebody else';
  time.nowMs += 6_950_000;
  assert.equal((await tokens.get(SHOP, NEVER)).value, 'ACCOUNT-2');
  assert.equal(state.component, 2);
  const paths = platform.requests.map(({ url }) => url.replace(/\?.*/, '').replace(/.*\//, ''));
  assert.ok(paths.length <= 6, paths.join());
});

test('a ticket that WeChat refuses holds the account until a new one comes', async (t) => {
  const { process, kept, SHOP } = await component(t);
  const tokens = process();
  await keepTicket(kept, SHOP, 'ticket@@@0');
  const error = await tokens.get(SHOP, NEVER).catch((reason: unknown) => reason);
  assert.ok(error instanceof FailureError);
  assert.deepEqual([error.failure.errcode, error.failure.class], [61006, 'account']);
  await keepTicket(kept, SHOP, 'ticket@@@1');
  assert.equal((await tokens.get(SHOP, NEVER)).value, 'ACCOUNT-1');
});
