/** GET /v1/media over a real socket: pages, filters, links, and errors. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mediaPageSchema, mediaSchema } from '../../../../src/server/routes/media/media-schema.ts';
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

    it('goes back page by page to the first one, and counts all pages', async () => {
      const openId = 'o-back';
      const inputs = Array.from({ length: 5 }, (_, n) =>
        reference({ openId, sentAt: new Date(Date.UTC(2026, 0, 1, n)) }),
      );
      await s.context.accept(inputs);
      const wanted = inputs.map((one) => one.mediaId).reverse();
      const list = async (cursor: unknown) => {
        const page = await json(
          `/v1/media?openId=${openId}&limit=2&include=count${cursor ? `&cursor=${cursor}` : ''}`,
        );
        mediaPageSchema.parse(page);
        assert.deepEqual([page.count, page.countIsExact], [5, true]);
        return { ...page, mediaIds: (page.items as Json[]).map((row) => row.mediaId) } as Json;
      };
      const first = await list(undefined);
      assert.equal(first.previousCursor, null);
      const second = await list(first.nextCursor);
      const third = await list(second.nextCursor);
      assert.deepEqual([third.mediaIds, third.nextCursor], [wanted.slice(4), null]);
      const secondAgain = await list(third.previousCursor);
      assert.deepEqual(secondAgain.mediaIds, wanted.slice(2, 4));
      const firstAgain = await list(secondAgain.previousCursor);
      assert.deepEqual([firstAgain.mediaIds, firstAgain.previousCursor], [wanted.slice(0, 2), null]);
      assert.deepEqual((await list(firstAgain.nextCursor)).mediaIds, wanted.slice(2, 4));
      assert.equal((await json(`/v1/media?openId=${openId}`)).count, undefined);
    });

    it('returns the text of an item, and finds the item by it', async () => {
      const found = reference({ kind: 'voice', text: '请把发票寄到深圳' });
      const other = reference({ kind: 'voice', text: '请把发票寄到北京', account: SAFE.account });
      await s.context.accept([found, other]);
      const search = async (q: string, key: Call['key']) => {
        const page = await json(`/v1/media?q=${encodeURIComponent(q)}&include=count`, { key });
        mediaPageSchema.parse(page);
        assert.equal(page.count, (page.items as Json[]).length);
        return (page.items as Json[]).map((row) => row.text).sort();
      };
      assert.deepEqual(await search('深圳', 'read'), [found.text]);
      assert.deepEqual(await search('发票', 'read'), [other.text, found.text].sort());
      // A key bound to the account of one item does not find the other, by no means.
      assert.deepEqual(await search('发票', 'schoolRead'), [other.text]);
      for (const q of [found.mediaId, '深圳']) assert.deepEqual(await search(q, 'schoolRead'), [], q);
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
        `UPDATE wma.media SET failure = failure || '{"errcode": 40007}', updated_at = updated_at - interval '2 hours'
         WHERE id = $1`,
        [first],
      );
      const second = await s.createArchived(
        reference({
          account: SAFE.account,
          parentId: first,
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
        expiresFrom: [`status=dead&status=archived&expiresFrom=${at(71)}`, second],
        expiresBefore: [`status=dead&status=archived&expiresBefore=${at(71)}`, first],
        parentId: [`parentId=${first}`, second],
        q: ['q=9007199254740993', first],
        updatedFrom: [`sort=updatedAt&updatedFrom=${at(-1)}`, second],
      };
      const filters = Object.keys(cases);
      const document = (await json('/openapi.json')) as {
        paths: Record<string, { get: { parameters: { name: string }[] } }>;
      };
      const documented = document.paths['/v1/media']?.get.parameters.map(({ name }) => name) ?? [];
      const others = ['sort', 'limit', 'cursor', 'include', 'covers'];
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
        forged(['sentAt', 'after', -8.64e15, `m_${'0'.repeat(32)}`]),
        forged(['sentAt', 'after', 1, '\0']),
        forged(['sentAt', 'beside', 1, `m_${'0'.repeat(32)}`]),
        forged(['sentAt', 1, `m_${'0'.repeat(32)}`]),
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
      'include=link,attemptLog',
      'q=',
      `q=${encodeURIComponent('票')}`,
      `q=${encodeURIComponent('张 王')}`,
      'q=%00ab',
      'q=ab&q=cd',
      `q=${'x'.repeat(513)}`,
      `q=${encodeURIComponent('票'.repeat(700))}`,
    ]) {
      it(`responds 400 to ?${query.slice(0, 40)}`, async () => {
        const response = await s.call(`/v1/media?${query}`, { key: 'read' });
        const body = (await response.json()) as Json;
        assert.deepEqual([response.status, body.code], [400, 'invalid_request'], JSON.stringify(body));
      });
    }

    it('refuses a search of 20,000 characters', async () => {
      const response = await s.call(`/v1/media?q=${'x'.repeat(20_000)}`, { key: 'read' });
      assert.ok([400, 414, 431].includes(response.status), String(response.status));
    });

    it('responds with a list to absurd but valid parameters', async () => {
      for (const query of [
        '__proto__=1',
        'sentFrom=0000-01-01T00:00:00Z',
        'openId=%ED%A0%80%00',
        `q=${encodeURIComponent('\'; DROP TABLE media; -- \\ % _ "')}`,
        `q=${encodeURIComponent('\u202e发票\u202c \u2066')}`,
        `q=${encodeURIComponent('票'.repeat(512))}`,
        `q=${encodeURIComponent('a b '.repeat(100))}cd`,

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
      const one = await json(`/v1/media/${id}?include=attemptLog,link`);
      mediaSchema.parse(one);
      assert.equal((one.attemptLog as Json[])[0]?.outcome, 'archived');
    });
  });
});
