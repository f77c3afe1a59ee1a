/** Wrong keys are counted by address; a valid key is accepted however many wrong ones came before it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { rateLimitKeyOf } from '../../../src/server/auth/client-address.ts';
import { ADDRESS_LIMIT, createLoginRateLimit } from '../../../src/server/auth/login-rate-limit.ts';
import { KEYS, openTestServer, type TestServer } from '../setup.ts';

describe('the login rate limit', () => {
  it('refuses an address after ten failures in a minute, until the minute ends', () => {
    let at = 1_000_000;
    const limit = createLoginRateLimit({ now: () => new Date(at) });
    for (let n = 0; n < 10; n++) assert.equal(limit.countFailure('a'), 0);
    assert.deepEqual([limit.countFailure('a'), limit.countFailure('b')], [60, 0]);
    at += 59_001;
    assert.equal(limit.countFailure('a'), 1);
    at += 1_000;
    assert.equal(limit.countFailure('a'), 0, 'a new minute');
  });

  it('ends when the clock is set back', () => {
    let at = 4 * 86_400_000;
    const limit = createLoginRateLimit({ now: () => new Date(at) });
    for (let n = 0; n < 20; n++) limit.countFailure('a');
    at = 0;
    assert.equal(limit.countFailure('a'), 0);
  });

  it('stores at most ten thousand addresses and drops the oldest', () => {
    const limit = createLoginRateLimit({ now: () => new Date(0) });
    for (let n = 0; n < 10; n++) limit.countFailure('first');
    for (let n = 0; n < 2 * ADDRESS_LIMIT; n++) limit.countFailure(`address ${n}`);
    assert.equal(limit.size, ADDRESS_LIMIT);
    assert.equal(limit.countFailure('first'), 0);
  });
});

describe('the address of a client', () => {
  for (const [text, group] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:41000', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::1]:443', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['unknown', undefined],
    ['999.1.1.1', undefined],
    ['', undefined],
  ] as const) {
    it(`${text || '(nothing)'} counts as ${group}`, () => assert.equal(rateLimitKeyOf(text), group));
  }
});

describe('a server that gets wrong keys', () => {
  let s: TestServer;
  let proxied: TestServer;
  before(async () => {
    [s, proxied] = await Promise.all([
      openTestServer(),
      openTestServer({ http: { trustedProxies: ['127.0.0.1'] } }),
    ]);
  });
  after(() => Promise.all([s.close(), proxied.close()]));

  const bearer = (of: TestServer, key: string, headers = {}) =>
    of.call('/v1/stats', { headers: { authorization: `Bearer ${key}`, ...headers } });
  const form = (of: TestServer, key: string, headers = {}) =>
    of.call('/login', {
      body: new URLSearchParams({ key }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });

  it('responds 429 to every kind of wrong credential after ten, and accepts the right key at once', async () => {
    const guesses = [
      () => bearer(s, 'a-wrong-key'),
      () => form(s, 'a-wrong-key'),
      () => s.call('/login?ticket=wrong'),
      () => s.call('/v1/stats', { headers: { cookie: 'wma_session=forged' } }),
      () => s.call('/v1/stats', { headers: { authorization: 'Basic eDp5' } }),
    ];
    for (let n = 0; n < 10; n++) assert.equal((await guesses[n % 5]?.())?.status, 401, String(n));
    for (const guess of guesses) {
      const response = await guess();
      assert.equal(response.status, 429);
      assert.ok(Number(response.headers.get('retry-after')) > 0);
    }
    assert.equal((await bearer(s, KEYS.read)).status, 200);
    assert.equal((await form(s, KEYS.read)).status, 303);
    assert.equal((await s.call(s.server.createLoginLink().slice(s.url.length))).status, 303);
    assert.equal((await s.call('/v1/stats')).status, 401, 'a request without a key is not counted');
    assert.equal((await bearer(s, 'a-wrong-key')).status, 429, 'the right key resets nothing');
  });

  it('ignores X-Forwarded-For of clients that are not TRUSTED_PROXIES', async () => {
    for (let n = 0; n < 12; n++) await bearer(s, 'wrong', { 'x-forwarded-for': `192.0.2.${n}` });
    assert.equal((await bearer(s, 'wrong', { 'x-forwarded-for': '192.0.2.99' })).status, 429);
  });

  it('counts each client behind a proxy of TRUSTED_PROXIES, and IPv6 by its /64', async () => {
    const of = (address: string) => ({ 'x-forwarded-for': address });
    for (let n = 0; n < 11; n++) await bearer(proxied, 'wrong', of('192.0.2.1'));
    assert.equal((await bearer(proxied, 'wrong', of('192.0.2.1'))).status, 429);
    assert.equal((await bearer(proxied, 'wrong', of('192.0.2.2'))).status, 401);
    // An address that the client sent itself precedes the one that the proxy appends.
    assert.equal((await bearer(proxied, 'wrong', of('192.0.2.77, 192.0.2.1'))).status, 429);
    for (let n = 0; n < 11; n++) await form(proxied, 'wrong', of(`2001:db8:0:1::${n}`));
    assert.equal((await form(proxied, 'wrong', of('2001:db8:0:1:ffff::1'))).status, 429);
    assert.equal((await form(proxied, 'wrong', of('2001:db8:0:2::1'))).status, 401);
    assert.equal((await form(proxied, KEYS.admin, of('192.0.2.1'))).status, 303);
  });
});
