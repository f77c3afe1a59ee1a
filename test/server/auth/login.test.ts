/** Signing a browser in: with a login link or with a key. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FastifyRequest } from 'fastify';
import { SCOPES } from '../../../src/config/api-keys.ts';
import { createAccess } from '../../../src/server/auth/access.ts';
import { KEYS, openTestServer, reference, SAFE, type TestServer } from '../setup.ts';

const READ = { scope: 'read', accountScoped: true } as const;
const KEY_LIST = Object.entries(KEYS).map(([name, secret]) => ({ name, secret, scopes: SCOPES }));
/** The parts of a request that createAccess reads. */
const requestOf = (cookie?: string) =>
  ({
    method: 'GET',
    ip: '192.0.2.1',
    raw: { socket: {} },
    headers: {},
    cookies: cookie === undefined ? {} : { wma_session: cookie },
  }) as never as FastifyRequest;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe('login', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const cookieOf = (response: Response) => response.headers.getSetCookie()[0]?.split(';')[0] as string;
  const ticketPath = () => s.server.createLoginLink().slice(s.url.length);
  const signIn = (key: string, headers: Record<string, string> = {}) =>
    s.call('/login', { body: new URLSearchParams({ key }).toString(), headers: { ...FORM, ...headers } });

  it('works once with a link, and its cookie is HttpOnly and SameSite=Strict', async () => {
    const path = ticketPath();
    assert.notEqual(
      (await s.call(path, { method: 'HEAD' })).status,
      303,
      'a link preview does not use up the ticket',
    );
    const first = await s.call(path);
    assert.deepEqual([first.status, first.headers.get('location')], [303, '/login']);
    const [attributes = ''] = first.headers.getSetCookie();
    for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=43200']) {
      assert.ok(attributes.includes(part), attributes);
    }
    assert.ok(!attributes.includes('Secure'), 'over plain http');
    const cookie = cookieOf(first);
    assert.equal((await s.call('/queues', { headers: { cookie } })).status, 200);
    const second = await s.call(path);
    assert.equal(second.status, 401);
    assert.match(await second.text(), /already used/);
  });

  it('continues with a page of its own, because a strict cookie is not sent with a cross-site redirect', async () => {
    const page = await (await s.call('/login')).text();
    assert.match(page, /http-equiv="refresh" content="0; url=\/"/);
  });

  it('sets a secure cookie behind TLS', async () => {
    const response = await s.call(ticketPath(), { headers: { 'x-forwarded-proto': 'https' } });
    assert.match(response.headers.getSetCookie()[0] as string, /Secure/);
  });

  it('with a key gives its scopes and accounts', async () => {
    const response = await signIn(` ${KEYS.school}\n`);
    assert.deepEqual([response.status, response.headers.get('location')], [303, '/']);
    const cookie = cookieOf(response);
    await s.context.accept([reference(), reference({ account: SAFE.account })]);
    const list = (await (await s.call('/v1/media', { headers: { cookie } })).json()) as {
      items: { account: string }[];
    };
    assert.deepEqual(
      list.items.map((row) => row.account),
      [SAFE.account],
    );
    assert.equal((await s.call('/queues', { headers: { cookie } })).status, 403);
  });

  it('with a wrong key shows the form again, in the language of the browser, without quoting the input', async () => {
    const response = await signIn('<script>alert(1)</script>', { 'accept-language': 'zh' });
    const page = await response.text();
    assert.equal(response.status, 401);
    assert.match(page, /该密钥不属于本服务/);
    assert.ok(!page.includes('<script'));
    assert.equal(response.headers.getSetCookie().length, 0);
  });

  it('rejects forms of other sites, and requests of theirs with the cookie', async () => {
    const cookie = cookieOf(await s.call(ticketPath()));
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1']) {
      assert.equal((await signIn(KEYS.admin, { origin })).status, 403, origin);
      assert.equal((await s.call('/logout', { method: 'POST', headers: { origin, cookie } })).status, 403);
      const written = await s.call('/v1/media', { json: reference(), headers: { origin, cookie } });
      assert.equal(written.status, 403, origin);
    }
    const own = await s.call('/v1/media', { json: reference(), headers: { origin: s.url, cookie } });
    assert.equal(own.status, 202);
  });

  it('ends at logout, for every copy of the cookie and on every server', async () => {
    const cookie = cookieOf(await s.call(ticketPath()));
    assert.equal((await s.call('/v1/stats', { headers: { cookie } })).status, 200);
    const other = createAccess(KEY_LIST, {
      clock: s.context.clock,
      revocations: s.context.catalogue.revocations,
    });
    const request = requestOf(cookie.slice('wma_session='.length));
    assert.equal((await other.authorize(request, READ)).name, 'login link');
    const response = await s.call('/logout', { method: 'POST', headers: { cookie } });
    assert.match(response.headers.getSetCookie()[0] as string, /wma_session=;.*Expires=Thu, 01 Jan 1970/);
    assert.equal((await s.call('/v1/stats', { headers: { cookie } })).status, 401);
    assert.equal((await s.call('/', { headers: { cookie } })).status, 401);
    await assert.rejects(other.authorize(request, READ), { code: 'unauthorized' });
    assert.equal((await s.call('/logout', { method: 'POST', headers: { cookie } })).status, 303, 'again');
    const fresh = cookieOf(await signIn(KEYS.read));
    assert.equal((await s.call('/v1/stats', { headers: { cookie: fresh } })).status, 200, 'a new one works');
  });

  it('cannot be ended by a page of another origin', async () => {
    const cookie = cookieOf(await s.call(ticketPath()));
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { referer: 'https://evil.example/page' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      const all: Record<string, string> = { ...headers, cookie };
      assert.equal((await s.call('/logout', { method: 'POST', headers: all })).status, 403);
      assert.equal((await signIn(KEYS.read, headers as Record<string, string>)).status, 403);
    }
    assert.equal((await s.call('/v1/stats', { headers: { cookie } })).status, 200);
  });

  it('gets database_away while a session cannot be checked', async () => {
    const revocations = s.context.catalogue.revocations;
    const access = createAccess(KEY_LIST, {
      clock: s.context.clock,
      revocations,
      isDatabaseDown: () => true,
    });
    const signedIn = access.signIn(requestOf(), KEYS.read);
    assert.ok('session' in signedIn);
    await assert.rejects(access.authorize(requestOf(signedIn.session), READ), { code: 'database_away' });
  });

  it('rejects a cookie that is forged, expired, or of a removed key', async () => {
    let at = Date.now();
    const clock = { now: () => new Date(at) };
    const { revocations } = s.context.catalogue;
    const key = { name: 'k', scopes: ['read'], secret: 'a-secret-of-the-test' } as const;
    const access = createAccess([key], { clock, revocations });
    const authorize = (of: typeof access, cookie: string) => of.authorize(requestOf(cookie), READ);
    const signedIn = access.signIn(requestOf(), key.secret);
    assert.ok('session' in signedIn);
    const { session } = signedIn;
    assert.equal((await authorize(access, session)).name, 'k');
    const other = createAccess([{ ...key, secret: 'another-secret-of-it' }], { clock, revocations });
    await assert.rejects(authorize(other, session), { code: 'unauthorized' });
    const [until, , ...rest] = session.split('~');
    const operator = Buffer.from('*').toString('base64url');
    const { ticket } = access.createLoginTicket();
    for (const wrong of ['', '~~', 'x', `${session}x`, [until, operator, ...rest].join('~'), ticket])
      await assert.rejects(authorize(access, wrong), { code: 'unauthorized' }, wrong);
    at += 12 * 3_600_000;
    await assert.rejects(authorize(access, session), { code: 'unauthorized' });
  });

  it('with a link works for 15 minutes, and a ticket is not a session', async () => {
    let at = Date.now();
    const { revocations } = s.context.catalogue;
    const access = createAccess(KEY_LIST, { clock: { now: () => new Date(at) }, revocations });
    const [young, old] = [access.createLoginTicket(), access.createLoginTicket()];
    at += 15 * 60_000 - 1;
    assert.ok('session' in (await access.redeemLoginTicket(requestOf(), young.ticket)));
    at += 1;
    assert.deepEqual(await access.redeemLoginTicket(requestOf(), old.ticket), { waitSeconds: 0 });
    const signedIn = access.signIn(requestOf(), KEYS.admin);
    assert.ok('session' in signedIn);
    assert.ok('waitSeconds' in (await access.redeemLoginTicket(requestOf(), signedIn.session)));
  });

  it('with a link made by a key has the rights of the key, and no link is logged', async () => {
    const made = await s.json<{ url: string }>(
      '/v1/login-links',
      { method: 'POST', key: 'schoolAdmin' },
      201,
    );
    assert.ok(made.url.startsWith(`${s.url}/login?ticket=`));
    const cookie = cookieOf(await s.call(made.url.slice(s.url.length)));
    const { items } = (await (await s.call('/v1/accounts', { headers: { cookie } })).json()) as {
      items: { account: string }[];
    };
    assert.deepEqual(
      items.map(({ account }) => account),
      [SAFE.account],
    );
    assert.equal((await s.call('/queues', { headers: { cookie } })).status, 403);
    const response = await s.call('/v1/login-links', { method: 'POST', headers: { cookie, origin: s.url } });
    assert.equal(response.status, 403, 'a session cannot make a link that outlives it');
    assert.ok(s.log.every((line) => !line.includes('ticket=')));
    for (const [key, status] of [
      ['read', 403],
      ['write', 403],
      [undefined, 401],
    ] as const)
      assert.equal((await s.call('/v1/login-links', { method: 'POST', key })).status, status);
  });

  it('accepts the origin of PUBLIC_URL', async () => {
    const s = await openTestServer({ http: { publicUrl: 'https://media.example.com' } });
    try {
      const body = new URLSearchParams({ key: KEYS.admin }).toString();
      const from = (origin: string) => s.call('/login', { body, headers: { ...FORM, origin } });
      assert.equal((await from('https://media.example.com')).status, 303);
      assert.equal((await from('https://media.example.com.evil.example')).status, 403);
    } finally {
      await s.close();
    }
  });
});
