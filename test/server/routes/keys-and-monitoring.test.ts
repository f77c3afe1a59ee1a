/** What keys of each scope may do, and what monitoring gets, on all routes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { deadLettersSchema } from '../../../src/server/routes/dead-letters/dead-letters.ts';
import { accountsSchema } from '../../../src/server/routes/operations/accounts.ts';
import { statsSchema } from '../../../src/server/routes/operations/stats.ts';
import { type Call, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../setup.ts';

type Json = Record<string, unknown>;

describe('the API', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const json = (path: string, options: Call = { key: 'read' }, status?: number) =>
    s.json<Json>(path, options, status);

  describe('a key', () => {
    it('is required everywhere except on open routes', async () => {
      for (const path of [
        '/v1/media',
        '/v1/stats',
        '/v1/accounts',
        '/metrics',
        '/openapi.json',
        '/docs',
        '/docs/json',
        '/queues',
        '/queues/api/queues',
        '/dashboard/browser/main.js',
        '/dashboard/vendor/idiomorph.js',
      ]) {
        const response = await s.call(path);
        assert.equal(response.status, 401, path);
        assert.equal(response.headers.get('www-authenticate'), 'Bearer');
        await response.body?.cancel();
      }
      for (const path of ['/livez', '/readyz', '/login'])
        assert.equal((await s.call(path)).status, 200, path);
    });

    it('is checked before the body', async () => {
      const problem = await json('/v1/media', { json: { not: 'a reference' } }, 401);
      assert.equal(problem.code, 'unauthorized');
    });

    it('allows only what its scope includes', async () => {
      assert.equal((await json('/v1/media', { key: 'read', json: reference() }, 403)).code, 'forbidden');
      assert.equal((await json('/queues/api/queues', { key: 'write' }, 403)).code, 'forbidden');
      for (const authorization of [
        'Bearer wrong-wrong-wrong-wrong',
        'Basic YTpi',
        'Bearer',
        '',
        `Bearer ${'x'.repeat(2000)}`,
      ]) {
        await json('/v1/media', { headers: { authorization } }, 401);
      }
    });

    it('for one account shows, counts and changes nothing of others', async () => {
      const theirs = await s.createDead(reference({ account: PLAIN.account }));
      const ours = await s.createDead(reference({ account: SAFE.account }));
      const key = 'school';
      const { items } = await json('/v1/media?limit=200', { key });
      assert.deepEqual(new Set((items as Json[]).map((row) => row.account)), new Set([SAFE.account]));
      assert.equal((await json(`/v1/media/${ours}`, { key })).id, ours);
      await json(`/v1/media/${theirs}`, { key }, 404);
      await json(`/v1/media/${theirs}/content`, { key }, 404);
      await json('/v1/media?account=shop', { key }, 403);
      await json('/v1/media', { key, json: reference() }, 403);
      const { groups } = await json('/v1/dead-letters', { key });
      assert.deepEqual(
        (groups as Json[]).map((group) => group.account),
        [SAFE.account],
      );
      const { byStatus } = (await json('/v1/stats', { key })) as { byStatus: Json };
      assert.equal(byStatus.dead, 1);
      const { items: accounts } = await json('/v1/accounts', { key });
      assert.deepEqual(
        (accounts as Json[]).map((one) => one.account),
        [SAFE.account],
      );
      await json('/metrics', { key }, 403);
    });
  });

  describe('monitoring', () => {
    it('gets responses that match their schemas', async () => {
      statsSchema.parse(await json('/v1/stats'));
      accountsSchema.parse(await json('/v1/accounts'));
      await s.createDead(reference());
      const dead = await json('/v1/dead-letters', { key: 'read', headers: { 'accept-language': 'zh' } });
      deadLettersSchema.parse(dead);
      assert.match(JSON.stringify(dead), /文件大小超过/);
    });

    it('sees a hold with its reason', async () => {
      const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 };
      await s.context.catalogue.accounts.hold(SAFE.account, new Date(Date.now() + 60_000), why);
      const { items } = (await json('/v1/accounts', { key: 'school' })) as { items: { hold: Json }[] };
      assert.equal(items[0]?.hold.errcode, 40164);
      assert.ok(items[0]?.hold.message);
      await s.context.catalogue.accounts.release(SAFE.account, new Date());
    });

    it('gets Prometheus metrics without ids in labels', async () => {
      const text = await (await s.call('/metrics', { key: 'read' })).text();
      assert.match(text, /^wma_received_total [1-9]/m);
      assert.match(text, /^wma_dead_letters\{errcode="too_large"\} [1-9]/m);
      assert.doesNotMatch(text, /m_[0-9a-f]{32}|wx0000/);
    });

    it('counts requests by the pattern of their route, and those to no route under one name', async () => {
      const id = await s.createDead(reference());
      await json(`/v1/media/${id}`);
      for (const path of ['/nowhere', '/v1/nowhere']) await json(path, {}, 404);
      const text = await (await s.call('/metrics', { key: 'read' })).text();
      assert.match(
        text,
        /^wma_http_requests_total\{method="GET",route="\/v1\/media\/:id",status="200"\} [1-9]/m,
      );
      assert.match(text, /^wma_http_requests_total\{method="GET",route="none",status="404"\} [2-9]/m);
      assert.match(text, /^wma_http_request_seconds_count\{route="\/v1\/media\/:id"\} [1-9]/m);
      assert.doesNotMatch(text, /nowhere/);
    });

    it('sees how much work a further worker could take, within the concurrency of each account', async () => {
      const due = async () =>
        /^wma_due (.+)$/m.exec(await (await s.call('/metrics', { key: 'read' })).text())?.[1];
      const { catalogue } = s.context;
      const before = Number(await due());
      const items = Array.from({ length: 6 }, () => reference({ account: PLAIN.account }));
      await catalogue.media.insert(items, new Date(), false);
      assert.equal(Number(await due()), before + PLAIN.concurrency, '6 are due, and 4 may run at once');
      await catalogue.accounts.hold(PLAIN.account, new Date(Date.now() + 60_000), { code: 'x' });
      assert.equal(Number(await due()), before);
      await catalogue.accounts.release(PLAIN.account, new Date());
    });

    it('gets problems in the language of the client', async () => {
      const zh = await json('/v1/media', { headers: { 'accept-language': 'zh-TW' } }, 401);
      assert.match(zh.advice as string, /密钥/);
      const en = await json('/v1/media', { headers: { 'accept-language': 'fr, en;q=0.1' } }, 401);
      assert.match(en.advice as string, /API_KEYS/);
      assert.equal((await json('/nowhere', {}, 404)).code, 'not_found');
      assert.equal((await json('/%zz', {}, 400)).code, 'invalid_request');
    });
  });
});
