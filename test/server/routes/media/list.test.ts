/** GET /v1/media over a real socket: pages, filters, links, and errors. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mediaPageSchema } from '../../../../src/server/routes/media/media.ts';
import { mediaSchema } from '../../../../src/server/routes/media/media-schema.ts';
import { type Call, openTestServer, reference, SAFE, type TestServer } from '../../setup.ts';

type Json = Record<string, unknown>;

describe('the list of media items', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const json = (path: string, options: Call = { key: 'read' }, status?: number) =>
    s.json<Json>(path, options, status);

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
      assert.deepEqual((await json('/v1/media?account=wx-unknown')).items, []);
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
});
