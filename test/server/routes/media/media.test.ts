/** /v1/media over a real socket: accepting, listing, showing, and errors. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf } from '../../../../src/media.ts';
import { deadLettersSchema } from '../../../../src/server/routes/dead-letters/dead-letters.ts';
import { mediaPageSchema } from '../../../../src/server/routes/media/media.ts';
import { mediaSchema } from '../../../../src/server/routes/media/media-schema.ts';
import { accountsSchema } from '../../../../src/server/routes/operations/accounts.ts';
import { statsSchema } from '../../../../src/server/routes/operations/stats.ts';
import { type Call, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

type Json = Record<string, unknown>;

describe('the API', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const json = (path: string, options: Call = { key: 'read' }, status?: number) =>
    s.json<Json>(path, options, status);
  const add = (json: unknown, key: Call['key'] = 'write') => s.call('/v1/media', { key, json });

  describe('POST /v1/media', () => {
    it('returns 202 with Location and the row, then 200 with the row', async () => {
      const one = {
        ...reference({ openId: 'o1', labels: { order: '7' } }),
        sentAt: '2026-05-01T08:00:00+08:00',
      };
      const first = await add(one);
      const row = (await first.json()) as Json;
      mediaSchema.parse(row);
      assert.equal(first.status, 202);
      assert.equal(first.headers.get('location'), `/v1/media/${row.id}`);
      assert.equal(row.id, idOf(PLAIN.account, one.mediaId));
      assert.equal(row.sentAt, '2026-05-01T00:00:00.000Z');
      assert.deepEqual(row.waiting, { reason: 'queued' });
      const second = await add(one);
      assert.equal(second.status, 200);
      assert.equal(((await second.json()) as Json).id, row.id);
    });

    it('accepts the name of an account', async () => {
      const one = reference({ account: 'shop' });
      assert.equal(((await (await add(one)).json()) as Json).account, PLAIN.account);
    });

    for (const [what, invalid, field] of [
      ['an unknown kind', { kind: 'sticker' }, 'kind'],
      ['a media id that is a number', { mediaId: 7 }, 'mediaId'],
      ['NUL in a text', { openId: 'a\0b' }, 'openId'],
      ['broken Unicode', { openId: '\ud800' }, 'openId'],
      ['an invalid time', { sentAt: 'yesterday' }, 'sentAt'],
      ['a link that is not http', { picUrl: 'file:///etc/passwd' }, 'picUrl'],
      ['nine labels', { labels: Object.fromEntries([...'123456789'].map((n) => [n, n])) }, 'labels'],
    ] as const) {
      it(`refuses ${what} and names the field`, async () => {
        const response = await add({ ...reference(), ...invalid });
        const problem = (await response.json()) as { errors: { field: string }[] };
        assert.equal(response.status, 400);
        assert.deepEqual(
          problem.errors.map((error) => error.field),
          [field],
        );
      });
    }

    it('rejects unknown fields, unknown accounts, and bodies that are not JSON', async () => {
      const more = await json('/v1/media', { key: 'write', json: { ...reference(), colour: 'red' } }, 400);
      assert.match(JSON.stringify(more.errors), /colour/);
      const nobody = await json('/v1/media', { key: 'write', json: reference({ account: 'wx9' }) }, 400);
      assert.equal(nobody.code, 'unknown_account');
      const headers = { 'content-type': 'application/json' };
      assert.equal(
        (await json('/v1/media', { key: 'write', headers, body: '{' }, 400)).code,
        'invalid_request',
      );
      assert.equal(
        (await json('/v1/media', { key: 'write', headers, body: '{"__proto__":{}}' }, 400)).code,
        'invalid_request',
      );
      assert.equal(
        (await json('/v1/media', { key: 'write', body: 'x', headers: { 'content-type': 'text/csv' } }, 415))
          .code,
        'unsupported_type',
      );
      const big = `{"x":"${'x'.repeat(1024 * 1024)}"}`;
      assert.equal(
        (await json('/v1/media', { key: 'write', headers, body: big }, 413)).code,
        'body_too_large',
      );
    });
  });

  describe('POST /v1/media/batch', () => {
    it('accepts each item on its own and returns results in order', async () => {
      const [good, again] = [reference(), reference()];
      await add(again);
      const body = await json(
        '/v1/media/batch',
        {
          key: 'write',
          json: { items: [good, { kind: 'image' }, again, reference({ account: 'wx9' }), 7, good] },
        },
        202,
      );
      const results = body.results as { index: number; id?: string; status?: string; problem?: Json }[];
      assert.deepEqual(
        results.map((result) => [result.index, result.status ?? result.problem?.code]),
        [
          [0, 'pending'],
          [1, 'invalid_request'],
          [2, 'pending'],
          [3, 'unknown_account'],
          [4, 'invalid_request'],
          [5, 'pending'],
        ],
      );
      assert.equal(results[0]?.id, results[5]?.id);
      assert.match(JSON.stringify(results[1]?.problem), /account.*mediaId|mediaId.*account/);
    });

    it('rejects an empty batch and one with 501 items', async () => {
      await json('/v1/media/batch', { key: 'write', json: { items: [] } }, 400);
      const items = Array.from({ length: 501 }, () => ({}));
      await json('/v1/media/batch', { key: 'write', json: { items } }, 400);
    });

    it('refuses items of other accounts to a key for one account', async () => {
      const items = [reference(), reference({ account: SAFE.account })];
      const { results } = await json('/v1/media/batch', { key: 'school', json: { items } }, 202);
      assert.deepEqual(
        (results as Json[]).map((result) => result.status ?? (result.problem as Json).code),
        ['forbidden', 'pending'],
      );
    });
  });

  describe('GET /v1/media', () => {
    it('lists newest first, page by page, each item once', async () => {
      const openId = 'o-pages';
      const inputs = Array.from({ length: 7 }, (_, n) =>
        reference({ openId, sentAt: new Date(Date.UTC(2026, 0, 1, n)) }),
      );
      await s.context.accept(inputs);
      const seen: unknown[] = [];
      let cursor: unknown = '';
      while (cursor !== null) {
        const page = await json(`/v1/media?openId=${openId}&limit=3${cursor ? `&cursor=${cursor}` : ''}`);
        mediaPageSchema.parse(page);
        seen.push(...(page.items as Json[]).map((row) => row.mediaId));
        cursor = page.nextCursor;
      }
      assert.deepEqual(seen, inputs.map((one) => one.mediaId).reverse());
    });

    it('filters by every documented parameter', async () => {
      const labels = { 'a b': 'ü', set: 'filters' };
      const old = new Date(Date.now() - 3 * 3_600_000).toISOString();
      const voice = reference({
        openId: 'o-1',
        msgId: '9007199254740993',
        labels,
        kind: 'voice',
        sentAt: new Date(old),
      });
      const first = await s.createDead(voice);
      await s.context.database.query(
        `UPDATE wma.media SET failure = failure || '{"errcode": 40007}' WHERE id = $1`,
        [first],
      );
      const second = await s.createArchived(
        reference({
          account: SAFE.account,
          openId: 'o-2',
          msgId: '2',
          labels: { set: 'filters' },
          kind: 'video',
        }),
        { body: Buffer.from('a video'), contentType: 'video/mp4', extension: 'mp4' },
      );
      const { sha256 } = (await s.context.catalogue.media.get(second)) ?? {};
      const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
      /** For each parameter a value that matches only one of the two items. */
      const cases: Record<string, readonly [query: string, id: string]> = {
        account: ['account=shop', first],
        id: [`id=${second}`, second],
        mediaId: [`mediaId=${voice.mediaId}&mediaId=other`, first],
        msgId: ['msgId=9007199254740993', first],
        openId: ['openId=o-2', second],
        kind: ['kind=voice&kind=image', first],
        status: ['status=archived', second],
        sha256: [`sha256=${sha256}`, second],
        errcode: ['errcode=40007', first],
        sentFrom: [`sentFrom=${at(-1)}`, second],
        sentTo: [`sentTo=${at(-1)}`, first],
        // Without a status it matches only pending items.
        expiresBefore: [`status=dead&status=archived&expiresBefore=${at(71)}`, first],
      };
      const filters = Object.keys(cases);
      const document = (await json('/openapi.json')) as {
        paths: Record<string, { get: { parameters: { name: string }[] } }>;
      };
      const documented = document.paths['/v1/media']?.get.parameters.map(({ name }) => name) ?? [];
      const others = ['sort', 'limit', 'cursor', 'include'];
      assert.deepEqual(
        documented.filter((name) => !others.includes(name)),
        filters,
      );
      for (const [query, id] of [...Object.values(cases), ['label.a%20b=%C3%BC', first]]) {
        const { items } = await json(`/v1/media?label.set=filters&${query}`);
        assert.deepEqual(
          (items as Json[]).map((row) => row.id),
          [id],
          query,
        );
      }
      assert.deepEqual((await json('/v1/media?openId=o-1&status=dead&errcode=40008')).items, []);
      assert.deepEqual((await json('/v1/media?account=wx-nobody')).items, []);
    });

    it('rejects a cursor of another list or another order', async () => {
      await s.context.accept([reference(), reference()]);
      const { nextCursor } = await json('/v1/media?limit=1');
      const forged = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString('base64url');
      for (const cursor of [
        'nonsense',
        forged(['sentAt', -8.64e15, 'm_']),
        forged(['sentAt', 1, '\0']),
        forged({}),
        '%00',
      ]) {
        const problem = await json(`/v1/media?cursor=${cursor}`, { key: 'read' }, 400);
        assert.ok(['invalid_cursor', 'invalid_request'].includes(problem.code as string));
      }
      const other = await json(`/v1/media?sort=updatedAt&cursor=${nextCursor}`, { key: 'read' }, 400);
      assert.equal(other.code, 'invalid_cursor');
    });

    for (const query of [
      'limit=0',
      'limit=201',
      'limit=many',
      'kind=sticker',
      'colour=red',
      'toString=1',
      'sha256=xyz',
      'errcode=99999999999999999999',
      'errcode=1.5',
      'sentFrom=yesterday',
      'openId=%00',
      'openId=a&openId=b',
      'account=',
      'label.=x',
      'label.%00=x',
      'label.a=x&label.a=y',
      `openId=${'x'.repeat(8000)}`,
      Array.from({ length: 201 }, () => 'id=x').join('&'),
      'include=attempts',
    ]) {
      it(`responds 400 to ?${query.slice(0, 40)}`, async () => {
        const response = await s.call(`/v1/media?${query}`, { key: 'read' });
        const body = (await response.json()) as Json;
        assert.deepEqual([response.status, body.code], [400, 'invalid_request'], JSON.stringify(body));
      });
    }

    it('responds with a list to absurd but valid parameters', async () => {
      for (const query of [
        '__proto__=1',
        'sentFrom=0000-01-01T00:00:00Z',
        'openId=%ED%A0%80%00',

        'openId=%',
      ]) {
        await json(`/v1/media?${query}`);
      }
    });

    it('returns links only with include=link, and they work', async () => {
      const body = Buffer.from('GIF89a pretend');
      const id = await s.createArchived(reference({ openId: 'o-link' }), {
        body,
        contentType: 'image/gif',
        extension: 'gif',
      });
      const { items: plain } = await json('/v1/media?openId=o-link');
      assert.equal((plain as Json[])[0]?.link, undefined);
      const page = await json('/v1/media?openId=o-link&include=link');
      mediaPageSchema.parse(page);
      const { link } = (page.items as { link: { url: string } }[])[0]!;
      assert.deepEqual(Buffer.from(await (await fetch(link.url)).arrayBuffer()), body);
      const one = await json(`/v1/media/${id}?include=attempts,link`);
      mediaSchema.parse(one);
      assert.equal((one.attemptLog as Json[])[0]?.outcome, 'archived');
    });
  });

  describe('GET /v1/media/{id}', () => {
    it('responds 404 to an unknown id and 400 to a malformed one', async () => {
      assert.equal(
        (await json(`/v1/media/m_${'0'.repeat(32)}`, { key: 'read' }, 404)).code,
        'media_not_found',
      );
      assert.equal((await json('/v1/media/m_XYZ', { key: 'read' }, 400)).code, 'invalid_request');
      await json(`/v1/media/${'m'.repeat(600)}`, { key: 'read' }, 400);
    });

    it('shows why an item is dead, in the language of the client', async () => {
      const id = await s.createDead(reference());
      const en = await json(`/v1/media/${id}`);
      assert.match((en.failure as Json).message as string, /larger than/);
      const zh = await json(`/v1/media/${id}`, {
        key: 'read',
        headers: { 'accept-language': 'zh-CN,en;q=0.5' },
      });
      assert.match((zh.failure as Json).message as string, /文件大小/);
    });
  });

  describe('POST /v1/media/{id}/retry', () => {
    it('makes a dead media item pending and due again, with time for attempts', async () => {
      const id = await s.createDead(reference({ sentAt: new Date('2026-01-01T00:00:00Z') }));
      const row = await json(`/v1/media/${id}/retry`, { method: 'POST', key: 'write' }, 202);
      assert.equal(row.status, 'pending');
      assert.ok(Date.parse(row.closesAt as string) >= Date.now() + 2 * 3_600_000 - 60_000);
      assert.equal(
        (await json(`/v1/media/${id}/retry`, { method: 'POST', key: 'write' }, 409)).code,
        'conflict',
      );
      await json(`/v1/media/${id}/retry`, { method: 'POST', key: 'read' }, 403);
      await json(`/v1/media/${id}/retry`, { method: 'POST', key: 'school' }, 404);
    });
  });

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
        '/dashboard/page.js',
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
