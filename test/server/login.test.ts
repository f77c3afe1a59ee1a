/** Signing a browser in: by the link printed at start, or by a key. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAccess } from '../../src/server/access.ts';
import { createLoginLimit } from '../../src/server/login-limit.ts';
import { KEYS, openTestServer, reference, SAFE, type TestServer } from './setup.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe('login', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const cookieOf = (answer: Response) => answer.headers.getSetCookie()[0]?.split(';')[0] as string;
  const ticketPath = () => s.server.createLoginLink().slice(s.url.length);
  const signIn = (key: string, headers: Record<string, string> = {}) =>
    s.call('/login', { body: new URLSearchParams({ key }).toString(), headers: { ...FORM, ...headers } });

  it('by the link is good once, and the cookie is for this site and no script', async () => {
    const path = ticketPath();
    assert.notEqual((await s.call(path, { method: 'HEAD' })).status, 303, 'a preview spends nothing');
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
    assert.match(await second.text(), /used already/);
  });

  it('moves on by a page of its own, since a strict cookie is not sent along a foreign redirect', async () => {
    const page = await (await s.call('/login')).text();
    assert.match(page, /http-equiv="refresh" content="0; url=\/"/);
  });

  it('behind TLS insists on it', async () => {
    const answer = await s.call(ticketPath(), { headers: { 'x-forwarded-proto': 'https' } });
    assert.match(answer.headers.getSetCookie()[0] as string, /Secure/);
  });

  it('by a key has the scopes and accounts of the key', async () => {
    const answer = await signIn(` ${KEYS.school}\n`);
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/']);
    const cookie = cookieOf(answer);
    await s.parts.accept([reference(), reference({ account: SAFE.account })]);
    const list = (await (await s.call('/v1/media', { headers: { cookie } })).json()) as {
      items: { account: string }[];
    };
    assert.deepEqual(
      list.items.map((row) => row.account),
      [SAFE.account],
    );
    assert.equal((await s.call('/queues', { headers: { cookie } })).status, 403);
  });

  it('with a wrong key shows the door again, in the language asked for, and repeats nothing', async () => {
    const answer = await signIn('<script>alert(1)</script>', { 'accept-language': 'zh' });
    const page = await answer.text();
    assert.equal(answer.status, 401);
    assert.match(page, /该密钥不属于本服务/);
    assert.ok(!page.includes('<script'));
    assert.equal(answer.headers.getSetCookie().length, 0);
  });

  it('does not listen to the forms of other sites, nor let them use the cookie', async () => {
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

  it('ends with a click', async () => {
    const answer = await s.call('/logout', { method: 'POST' });
    assert.match(answer.headers.getSetCookie()[0] as string, /wma_session=;.*Expires=Thu, 01 Jan 1970/);
  });

  it('takes no cookie that is forged, old, or of a key that is gone', () => {
    let at = Date.now();
    const clock = { now: () => new Date(at) };
    const key = { name: 'k', scopes: ['read'], secret: 'a-secret-of-the-test' } as const;
    const access = createAccess([key], { clock });
    const ask = (of: typeof access, cookie: string) =>
      of.authorize({ method: 'GET', headers: {}, cookies: { wma_session: cookie } } as never, {
        scope: 'read',
        narrowed: true,
      });
    const session = access.signIn(key.secret) as string;
    assert.equal(ask(access, session).name, 'k');
    const other = createAccess([{ ...key, secret: 'another-secret-of-it' }], { clock });
    assert.throws(() => ask(other, session), { code: 'unauthorized' });
    const [until, , signature] = session.split('~');
    const operator = Buffer.from('*').toString('base64url');
    assert.throws(() => ask(access, `${until}~${operator}~${signature}`), { code: 'unauthorized' });
    for (const wrong of ['', '~~', 'x', `${session}x`]) assert.throws(() => ask(access, wrong));
    const ticket = access.createLoginTicket();
    at += 13 * 3_600_000;
    assert.throws(() => ask(access, session), { code: 'unauthorized' });
    assert.equal(access.redeem(ticket), undefined);
  });

  it('slows down guessing', async () => {
    for (let n = 0; n < 10; n++) await (await signIn(`guess-${n}`)).text();
    const answer = await signIn(KEYS.admin);
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    let at = 0;
    const limit = createLoginLimit({ now: () => new Date(at) });
    for (let n = 0; n < 10; n++) limit.failed('a');
    assert.deepEqual([limit.waitSeconds('a'), limit.waitSeconds('b')], [60, 0]);
    at = 60_001;
    assert.equal(limit.waitSeconds('a'), 0);
  });
});
