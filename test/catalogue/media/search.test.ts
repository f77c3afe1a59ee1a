/** The search box: what finds an item, and what must not. */
import assert from 'node:assert/strict';
import { after, before, describe, it, test } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { COUNT_LIMIT } from '../../../src/catalogue/media/pages.ts';
import { bigramsOf, parseSearch } from '../../../src/catalogue/media/search.ts';
import { cutText, TEXT_LIMIT } from '../../../src/media.ts';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';
import { at, attemptOf, claimOne, dumpRows, insertOne, NOW, reference, STORED } from '../items.ts';

test('a search needs two characters beside each other', () => {
  for (const query of ['', ' ', '票', 'a', '张 王', '\u200b\u202e', '🎉', ' 票 ']) {
    assert.equal(parseSearch(query), undefined, JSON.stringify(query));
  }
  for (const query of ['发票', '12', '张 王五', '🎉🎉', '%_']) {
    assert.ok(parseSearch(query), JSON.stringify(query));
  }
});

test('a text is cut at a whole character', () => {
  assert.equal(cutText('🎉'.repeat(3), 2), '🎉🎉');
  assert.equal(cutText('发票', 2), '发票');
  assert.equal(cutText('abc', 2), 'ab');
});

for (const backend of backends) {
  describe(`the search of media items on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    /** The media ids that a search finds, newest first. */
    async function find(q: string, filter: object = {}): Promise<(string | undefined)[]> {
      const page = await catalogue.media.list(
        { q, ...filter },
        { sort: 'sentAt', limit: 50, withCount: true },
      );
      assert.deepEqual(page.count, { value: page.items.length, isExact: true }, q);
      return page.items.map(({ mediaId }) => mediaId);
    }
    const insert = async (mediaId: string, fields: object = {}) =>
      await insertOne(catalogue, reference({ account: 'wx-search', mediaId, kind: 'voice', ...fields }));

    it('finds an item by each of its ids, and by the beginning of its digest', async () => {
      const one = reference({
        account: 'wx-ids',
        mediaId: 'Media_ID-1',
        openId: 'oUser-1',
        msgId: '22800264023876468',
      });
      const { id } = await insertOne(catalogue, one);
      const job = await claimOne(catalogue, one);
      const sha256 = `ab12cd${'0'.repeat(58)}`;
      await catalogue.outcomes.markArchived(attemptOf(job), {
        ...STORED,
        sha256,
        fileName: 'Media_ID-1.jpg',
      });
      for (const q of [
        id,
        id.toUpperCase(),
        ` ${id}\n`,
        'Media_ID-1',
        'Media_ID-1.jpg',
        '\u2068oUser-1\u2069',
        'oUser-1',
        '22800264023876468',
        'ab12cd',
        'AB12CD000',
        sha256,
      ]) {
        assert.deepEqual(await find(q), ['Media_ID-1'], q);
      }
      for (const q of [
        'ab12c',
        'media_id-1',
        'ouser-1',
        'oUser-',
        '2280026402387646',
        `${sha256}0`,
        id.slice(0, 20),
      ]) {
        assert.deepEqual(await find(q), [], q);
      }
    });

    it('finds a text by two Chinese characters, by several words, in any case', async () => {
      await insert('invoice', { text: '麻烦把发票抬头改成 ACME 公司，谢谢' });
      await insert('refund', { text: '发票丢了，我想退款', sentAt: at(1000) });
      assert.deepEqual(await find('发票'), ['refund', 'invoice']);
      assert.deepEqual(await find('票抬'), ['invoice']);
      assert.deepEqual(await find('发票 acme'), ['invoice']);
      assert.deepEqual(await find('AcMe　公司'), ['invoice']);
      assert.deepEqual(await find('发票 退'), ['refund']);
      assert.deepEqual(await find('票发'), []);
      assert.deepEqual(await find('发票退款'), []);
      assert.deepEqual(await find('发票', { accounts: ['wx-other'] }), []);
      assert.deepEqual(await find('发票', { accounts: ['wx-search', 'wx-other'] }), ['refund', 'invoice']);
      assert.deepEqual(await find('发票', { sentFrom: at(1) }), ['refund']);
    });

    it('finds a file name, unless it is the media id', async () => {
      const named = async (mediaId: string, fileName: string) => {
        const one = reference({ account: 'wx-names', mediaId });
        await insertOne(catalogue, one);
        const job = await claimOne(catalogue, one);
        await catalogue.outcomes.markArchived(attemptOf(job), { ...STORED, fileName });
      };
      await named('n-1', '季度报告 Final.PDF');
      await named('n-2', 'n-2.jpg');
      await named('n-3', 'evil\u202egpj.exe');
      assert.deepEqual(await find('季度报告 final.pdf'), ['n-1']);
      assert.deepEqual(await find('evilgpj'), ['n-3']);
      assert.deepEqual(await find('evil\u202egpj'), ['n-3']);
      const rows = await database.query<{ search_text: string | null }>(
        `SELECT search_text FROM ${SCHEMA}.media WHERE account = 'wx-names' ORDER BY media_id`,
      );
      assert.deepEqual(
        rows.map(({ search_text }) => search_text?.trim() ?? null),
        ['季度报告 final.pdf', null, 'evilgpj.exe'],
      );
    });

    it('treats characters of patterns, SQL and directions as ordinary ones', async () => {
      const texts = [
        '100% sure',
        'a_b',
        'a\\b',
        `it's "so"`,
        '‮abc‬',
        "'; DROP TABLE media; --",
        '🎉🎊',
        'x\u0000',
      ];
      for (const [index, text] of texts.entries())
        await insert(`odd-${index}`, { text: text.replaceAll('\0', '') });
      assert.deepEqual(await find('0%'), ['odd-0']);
      assert.deepEqual(await find('%%'), []);
      assert.deepEqual(await find('a_b'), ['odd-1']);
      assert.deepEqual(await find('a\\b'), ['odd-2']);
      assert.deepEqual(await find(`it's`), ['odd-3']);
      assert.deepEqual(await find('"so"'), ['odd-3']);
      assert.deepEqual(await find('abc'), ['odd-4']);
      assert.deepEqual(await find("'; DROP TABLE"), ['odd-5']);
      assert.deepEqual(await find('🎉🎊'), ['odd-6']);
    });

    it('makes the same pairs of characters as the database', async () => {
      const random = createRandom(7);
      const point = () => Math.floor(random() * 0x10f7ff) + 1;
      const texts = Array.from({ length: 300 }, (_, length) =>
        String.fromCodePoint(
          ...Array.from({ length: length % 12 }, () => {
            const one = random() < 0.5 ? (point() % 0x5000) + 1 : point();
            return one >= 0xd800 && one <= 0xdfff ? 0x53d1 : one;
          }),
        ),
      );
      const rows = await database.query<{ pairs: number[] }>(
        `SELECT ${SCHEMA}.bigrams(value) AS pairs FROM unnest($1::text[]) WITH ORDINALITY AS t (value, n) ORDER BY n`,
        [texts],
      );
      assert.deepEqual(
        rows.map(({ pairs }) => pairs),
        texts.map(bigramsOf),
      );
    });

    it('keeps the longest text and fills an empty one, never another', async () => {
      const longest = '🎉'.repeat(TEXT_LIMIT);
      const { id } = await insert('longest', { text: longest });
      assert.equal((await catalogue.media.get(id))?.text, longest);
      await insert('longest', { text: 'another' });
      assert.equal((await catalogue.media.get(id))?.text, longest);
      const late = await insert('late');
      await insert('late', { text: '后来的文字' });
      assert.equal((await catalogue.media.get(late.id))?.text, '后来的文字');
      assert.deepEqual(await find('后来的'), ['late']);
    });

    it('finds nothing of an erased item, and nothing of it is left', async () => {
      const { id } = await insert('erased', { text: '身份证号码保密' });
      assert.deepEqual(await find('身份证'), ['erased']);
      await catalogue.mediaErasure.erase([id], { actor: 'test' }, NOW);
      assert.deepEqual(await find('身份证'), []);
      assert.ok(!(await dumpRows(database)).includes('身份证'));
    });

    it('finds common words page by page in both directions, and says that there are more than it counts', async () => {
      const many = COUNT_LIMIT + 500;
      await database.query(
        `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, open_id, text, sent_at, expires_at, closes_at, status,
           created_at, updated_at)
         SELECT 'm_' || md5(n::text), 'wx-many', 'many-' || n, 'voice', 'o-many', '常用的词' || n,
           $1::timestamptz - n * interval '1 s', $1, $1, 'archived', $1, $1 FROM generate_series(1, ${many}) AS n`,
        [NOW],
      );
      await database.query(`ANALYZE ${SCHEMA}.media`);
      for (const q of ['常用', 'o-many']) {
        const first = await catalogue.media.list({ q }, { sort: 'sentAt', limit: 3, withCount: true });
        assert.deepEqual(first.count, { value: COUNT_LIMIT, isExact: false });
        const ids = ({ items }: { items: readonly { mediaId?: string }[] }) =>
          items.map(({ mediaId }) => mediaId);
        assert.deepEqual(ids(first), ['many-1', 'many-2', 'many-3']);
        assert.equal(first.previousCursor, undefined);
        const second = await catalogue.media.list(
          { q },
          { sort: 'sentAt', limit: 3, cursor: first.nextCursor! },
        );
        assert.deepEqual(ids(second), ['many-4', 'many-5', 'many-6']);
        const back = await catalogue.media.list(
          { q },
          { sort: 'sentAt', limit: 3, cursor: second.previousCursor! },
        );
        assert.deepEqual(ids(back), ids(first));
        assert.equal(back.previousCursor, undefined);
      }
      // Of both: the text of all rows, the openId of all, and the last page.
      const before = { sentTo: new Date(NOW.getTime() - (many - 2) * 1000 + 500) };
      assert.deepEqual(
        await find('常用', before),
        [many - 2, many - 1, many].map((n) => `many-${n}`),
      );
      // A word that only old rows have, more of them than are counted.
      await database.query(
        `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, text, sent_at, expires_at, closes_at, status, created_at,
           updated_at)
         SELECT 'm_' || md5('new' || n), 'wx-many', 'new-' || n, 'voice', '新的内容', $1::timestamptz + n * interval '1 s',
           $1, $1, 'archived', $1, $1 FROM generate_series(1, 21000) AS n`,
        [NOW],
      );
      const old = await catalogue.media.list({ q: '常用' }, { sort: 'sentAt', limit: 2 });
      assert.deepEqual(
        old.items.map(({ mediaId }) => mediaId),
        ['many-1', 'many-2'],
      );
    });
  });
}
