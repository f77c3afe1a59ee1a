/** /v1/media over a real socket: accepting, showing and retrying media items, and errors. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf } from '../../../../src/media.ts';
import { mediaSchema } from '../../../../src/server/routes/media/media-schema.ts';
import { type Call, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

type Json = Record<string, unknown>;

describe('the media routes', () => {
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
      const unknown = await json('/v1/media', { key: 'write', json: reference({ account: 'wx9' }) }, 400);
      assert.equal(unknown.code, 'unknown_account');
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
});
