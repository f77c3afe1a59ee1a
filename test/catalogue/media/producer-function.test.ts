/** wma.archive, the way in for any language that speaks SQL: the same rows and ids as every other way. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { createDatabase, type Database } from '../../../src/catalogue/database/database.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { idOf, type Reference, referenceSchema } from '../../../src/media.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { missing, postgresForTest } from '../../machine/services.ts';
import { backends, SCHEMA, setup } from '../backends.ts';

const ACCOUNT = 'wx0123456789abcdef';
const SENT_AT = '2026-05-01T12:00:00.000Z';

const COLUMNS: Record<keyof Reference, string> = {
  account: 'account',
  mediaId: 'media_id',
  kind: 'kind',
  variant: 'variant',
  parentId: 'parent_id',
  openId: 'open_id',
  msgId: 'msg_id',
  sentAt: 'sent_at',
  picUrl: 'pic_url',
  text: 'text',
  labels: 'labels',
  traceparent: 'traceparent',
};

/** Calls the function by the names of its parameters, those that the reference has. */
async function archive(
  database: Pick<Database, 'query'>,
  reference: Record<string, unknown>,
): Promise<string> {
  const given = Object.entries(reference);
  const names = given.map(([name], index) => `${COLUMNS[name as keyof Reference]} => $${index + 1}`);
  const values = given.map(([name, value]) => (name === 'labels' ? JSON.stringify(value) : value));
  const [row] = await database.query<{ id: string }>(`SELECT ${SCHEMA}.archive(${names}) AS id`, values);
  return row!.id;
}

for (const backend of backends) {
  describe(`wma.archive on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
      await catalogue.accounts.ensure([ACCOUNT]);
    });
    after(() => cleanup.run());

    it('makes the same row as inserting the same reference', async () => {
      const reference: Reference = {
        account: ACCOUNT,
        mediaId: 'by-sql',
        kind: 'voice',
        variant: '16k',
        parentId: idOf(ACCOUNT, 'voice'),
        openId: 'o1',
        msgId: '22800264023876468',
        sentAt: new Date(SENT_AT),
        picUrl: 'http://mmbiz.qpic.cn/a/0?wx_fmt=jpeg',
        text: '你好，发票开好了吗 🎉',
        labels: { 客户: '张三 🎉', shop: '7' },
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      };
      const id = await archive(database, { ...reference, sentAt: SENT_AT });
      const twin = { ...reference, mediaId: 'by-program' };
      const [accepted] = await catalogue.media.insert([twin], new Date(), false);
      const strip = async (of: string) => {
        const { id: _, mediaId: __, createdAt, updatedAt, ...row } = (await catalogue.media.get(of))!;
        assert.ok(Math.abs(createdAt.getTime() - Date.now()) < 60_000);
        assert.deepEqual(updatedAt, createdAt);
        return row;
      };
      assert.deepEqual(await strip(id), await strip(accepted!.id));
      const { claimed } = await catalogue.queue.claim([{ account: ACCOUNT, capacity: 9 }], new Date(), 9);
      assert.equal(claimed.length, 2);
      for (const { reference: kept } of claimed) {
        referenceSchema.parse({ ...kept, sentAt: kept.sentAt.toISOString() });
      }
    });

    it('makes the same ids as every other producer, in any script', async () => {
      const words = [
        '媒体-1',
        'e\u0301',
        '\u00e9',
        '🎉'.repeat(256),
        'İstanbul',
        "o'clock \\x00 \\0",
        'a\tb',
        '-_AZ09',
      ];
      await catalogue.accounts.ensure(words.map((word) => word.slice(0, 64)));
      for (const word of words) {
        const account = word.slice(0, 64);
        assert.equal(await archive(database, { account, mediaId: word, kind: 'image' }), idOf(account, word));
      }
    });

    it('merges a repeat as the program does: keeps the earliest time, fills empty fields', async () => {
      const one = { account: ACCOUNT, mediaId: 'repeated', kind: 'image' };
      const id = await archive(database, { ...one, sentAt: '2026-05-01T13:00:00Z', openId: 'first' });
      await archive(database, { ...one, sentAt: SENT_AT, openId: 'second', msgId: '7' });
      const row = await catalogue.media.get(id);
      assert.deepEqual([row?.openId, row?.msgId], ['first', '7']);
      assert.deepEqual(row?.sentAt, new Date(SENT_AT));
      assert.deepEqual(row?.closesAt, new Date(Date.parse(SENT_AT) + 74 * 3_600_000));
    });

    it('inserts a file message without a media id as dead, and one with an id as pending', async () => {
      const lost = await archive(database, { account: ACCOUNT, mediaId: 'msg:7', kind: 'file' });
      const row = await catalogue.media.get(lost);
      assert.deepEqual([row?.status, row?.failure?.code], ['dead', 'not_downloadable']);
      const file = await archive(database, { account: ACCOUNT, mediaId: 'file-7', kind: 'file' });
      assert.equal((await catalogue.media.get(file))?.status, 'pending');
    });

    it('inserts nothing when the caller rolls back', async () => {
      const one = { account: ACCOUNT, mediaId: 'rolled-back', kind: 'image' };
      const rolledBack = database.transaction(async (transaction) => {
        await archive(transaction, one);
        throw new Error('changed my mind');
      });
      await assert.rejects(rolledBack, /changed my mind/);
      assert.equal(await catalogue.media.get(idOf(ACCOUNT, 'rolled-back')), undefined);
    });

    it('refuses and accepts the same references as the schema of the API', async () => {
      const base = { account: ACCOUNT, mediaId: 'm', kind: 'image' };
      const eight = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
      const cases: Record<string, unknown>[] = [
        { mediaId: '' },
        { mediaId: 'x'.repeat(512) },
        { mediaId: 'x'.repeat(513) },
        { mediaId: '🎉'.repeat(257) },
        { mediaId: null },
        { kind: 'gif' },
        { kind: null },
        { kind: 'thumb' },
        { variant: '32k' },
        { variant: 'jssdk' },
        { parentId: 'x'.repeat(65) },
        { openId: '' },
        { openId: '微'.repeat(128) },
        { msgId: 'x'.repeat(129) },
        { text: '' },
        { text: '🎉'.repeat(2000) },
        { text: '🎉'.repeat(2001) },
        { text: 'x'.repeat(2001) },
        { picUrl: 'ftp://a/b' },
        { picUrl: 'http://' },
        { picUrl: 'not a link' },
        { picUrl: `https://a/${'x'.repeat(2048)}` },
        { picUrl: 'http://a:70000/b' },
        { picUrl: 'http://1.2.3.999/b' },
        { picUrl: 'http://xn--a/b' },
        { picUrl: 'https://mmbiz.qpic.cn:8443/b?c=%zz#d' },
        { picUrl: 'https://a/b' },
        { labels: {} },
        { labels: eight(8) },
        { labels: eight(9) },
        { labels: { a: 1 } },
        { labels: { a: '' } },
        { labels: { '': 'a' } },
        { labels: { a: 'x'.repeat(257) } },
        { labels: { a: '微'.repeat(256) } },
        { labels: ['a'] },
        { labels: 'a' },
        { account: '' },
      ];
      for (const [index, fields] of cases.entries()) {
        const reference = { ...base, mediaId: `m${index}`, ...fields };
        const wanted = referenceSchema.safeParse(reference).success;
        const got = await archive(database, reference).then(
          () => true,
          (error: { code?: string }) => {
            assert.equal(error.code, '22023', JSON.stringify(fields));
            return false;
          },
        );
        assert.equal(got, wanted, JSON.stringify(fields).slice(0, 80));
      }
      for (const sentAt of ['infinity', '0044-03-15 BC', '22000-01-01']) {
        await assert.rejects(archive(database, { ...base, sentAt }), { code: '22023' }, sentAt);
      }
    });

    it('refuses an unknown account, and the name of an account', async () => {
      const stranger = archive(database, { account: 'shop', mediaId: 'm', kind: 'image' });
      await assert.rejects(stranger, { code: '23503', message: /appId/ });
    });
  });
}

function openAt(t: TestContext, url: string): Database {
  const pool = createPostgresPool({ url, searchPath: SCHEMA, maxConnections: 2, log: { warn: () => {} } });
  t.after(() => pool.end());
  return createDatabase(pool);
}

describe('wma.archive for a role of its own', { skip: missing.postgres }, () => {
  const postgres = backends.find(({ name }) => name === 'Postgres')!;

  it('notifies the dispatchers of new work', async (t) => {
    const { database, catalogue } = (await setup(t, postgres.open))!;
    await catalogue.accounts.ensure([ACCOUNT]);
    const ended = new AbortController();
    const woken = Promise.withResolvers<void>();
    await database.listen('wma_due', woken.resolve, ended.signal);
    try {
      await archive(database, { account: ACCOUNT, mediaId: 'm', kind: 'image' });
      await woken.promise;
    } finally {
      ended.abort();
    }
  });

  it('needs only USAGE and EXECUTE, and uses no temporary table of the caller', async (t) => {
    const url = (await postgresForTest(t))!;
    const { database, catalogue } = (await setup(t, async () => openAt(t, url)))!;
    await catalogue.accounts.ensure([ACCOUNT]);
    const role = new URL(url).pathname.slice(1).replace('wma_test', 'handler');
    await database.query(`CREATE ROLE ${role} LOGIN`);
    await database.query(`GRANT USAGE ON SCHEMA ${SCHEMA} TO ${role}`);
    const client = new pg.Client(url);
    await client.connect();
    try {
      await client.query(`SET ROLE ${role}`);
      const call = {
        query: async (text: string, values?: unknown[]) => (await client.query(text, values)).rows,
      };
      const one = { account: ACCOUNT, mediaId: 'm', kind: 'image' };
      await assert.rejects(archive(call as never, one), { code: '42501' });
      await database.query(`GRANT EXECUTE ON FUNCTION ${SCHEMA}.archive TO ${role}`);
      for (const table of ['media', 'media_count', 'account']) {
        await client.query(`CREATE TEMPORARY TABLE ${table} (account text, status text)`);
      }
      const id = await archive(call as never, one);
      assert.equal((await catalogue.media.get(id))?.status, 'pending');
      await assert.rejects(client.query(`SELECT FROM ${SCHEMA}.media`), { code: '42501' });
    } finally {
      await client.end();
      await database.query(`DROP OWNED BY ${role}`);
      await database.query(`DROP ROLE ${role}`);
    }
  });
});
