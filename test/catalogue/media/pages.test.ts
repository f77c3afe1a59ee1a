/** Every filter in both orders and directions, compared with the same filter in JavaScript. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { conditionsOf, type MediaFilter } from '../../../src/catalogue/media/filter.ts';
import type { Sort } from '../../../src/catalogue/media/pages.ts';
import { KINDS } from '../../../src/media.ts';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';

const ROWS = 240;
const START_MS = Date.parse('2026-05-01T12:00:00Z');
const ACCOUNTS = ['wx1', 'wx2', 'wx3'];
const STATUSES = ['pending', 'archived', 'archived', 'dead', 'expired', 'erased'] as const;
const TEXTS = [null, '发票抬头', '红色发票', 'Refund 退款'];

interface Row {
  id: string;
  account: string;
  media_id: string | null;
  kind: string | null;
  status: string;
  open_id: string | null;
  text: string | null;
  labels: object | null;
  failure: object | null;
  sent_at: string | null;
  updated_at: string;
}

/** Few times, so that many rows share one. */
function makeRows(): Row[] {
  const random = createRandom(5);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  return Array.from({ length: ROWS }, (_, n): Row => {
    const status = pick(STATUSES);
    const isErased = status === 'erased';
    const sentAt = new Date(START_MS + Math.floor(random() * 40) * 1000).toISOString();
    return {
      id: `m_${Math.floor(random() * 2 ** 48)
        .toString(16)
        .padStart(12, '0')}${String(n).padStart(20, '0')}`,
      account: pick(ACCOUNTS),
      media_id: isErased ? null : `media-${n}`,
      kind: isErased ? null : pick(KINDS),
      status,
      open_id: isErased ? null : `open-${n % 5}`,
      text: isErased ? null : pick(TEXTS),
      labels: isErased || n % 3 ? null : { shop: String(n % 2) },
      failure: status === 'dead' ? { code: 'x', class: 'unknown', errcode: 40007 + (n % 2) } : null,
      sent_at: isErased ? null : sentAt,
      updated_at: new Date(START_MS + Math.floor(random() * 40) * 1000).toISOString(),
    };
  });
}
const ROWS_MADE = makeRows();

const from = new Date(START_MS + 10_000);
const FILTERS: readonly [name: string, filter: MediaFilter, isFound: (row: Row) => boolean][] = [
  ['nothing', {}, () => true],
  ['an account', { accounts: ['wx1'] }, (row) => row.account === 'wx1'],
  ['accounts', { accounts: ['wx1', 'wx3', 'wx-unknown'] }, (row) => row.account !== 'wx2'],
  ['a kind', { kinds: ['voice'] }, (row) => row.kind === 'voice'],
  ['kinds, one of them twice', { kinds: ['voice', 'file', 'voice'] }, (row) => /voice|file/.test(row.kind!)],
  ['a status', { statuses: ['archived'] }, (row) => row.status === 'archived'],
  ['erased', { statuses: ['erased'] }, (row) => row.status === 'erased'],
  ['statuses', { statuses: ['dead', 'pending', 'erased'] }, (row) => /dead|pend|erased/.test(row.status)],
  [
    'accounts, kinds and statuses',
    { accounts: ['wx1', 'wx2'], kinds: ['image', 'video'], statuses: ['archived', 'dead'] },
    (row) => row.account !== 'wx3' && /image|^video/.test(row.kind!) && /arch|dead/.test(row.status),
  ],
  ['an errcode', { errcodes: [40007] }, (row) => JSON.stringify(row.failure).includes('40007')],
  ['an openId', { openId: 'open-3' }, (row) => row.open_id === 'open-3'],
  [
    'a label',
    { labels: { shop: '1' }, accounts: ['wx1', 'wx2'] },
    (row) => row.account !== 'wx3' && JSON.stringify(row.labels) === '{"shop":"1"}',
  ],
  ['a time', { sentFrom: from }, (row) => Date.parse(row.sent_at!) >= from.getTime()],
  ['a search for a word', { q: '发票' }, (row) => row.text?.includes('发票') === true],
  ['a search for an openId', { q: 'open-2' }, (row) => row.open_id === 'open-2'],
  [
    'a search with other filters',
    { q: 'REFUND', accounts: ['wx2', 'wx3'], statuses: ['archived', 'pending'] },
    (row) => row.text?.startsWith('Refund') === true && row.account !== 'wx1' && /arch|pend/.test(row.status),
  ],
];

for (const backend of backends) {
  describe(`pages of media items on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
      await database.query(
        `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, status, stage, open_id, text, labels, failure, sent_at,
           expires_at, closes_at, created_at, updated_at)
         SELECT id, account, media_id, kind, status, CASE status WHEN 'pending' THEN 1 END, open_id, text, labels, failure,
           sent_at, sent_at, sent_at, updated_at, updated_at
         FROM json_to_recordset($1::json) AS given (id text, account text, media_id text, kind text, status text, open_id text,
           text text, labels jsonb, failure jsonb, sent_at timestamptz, updated_at timestamptz)`,
        [JSON.stringify(ROWS_MADE)],
      );
    });
    after(() => cleanup.run());

    const inOrder = (sort: Sort, isFound: (row: Row) => boolean): string[] => {
      const key = (row: Row) => `${sort === 'sentAt' ? row.sent_at : row.updated_at} ${row.id}`;
      // Erased rows have no time of a message; they are listed by updatedAt only.
      const found = ROWS_MADE.filter((row) => isFound(row) && (sort === 'updatedAt' || row.sent_at !== null));
      const ascending = found.sort((a, b) => (key(a) < key(b) ? -1 : 1)).map(({ id }) => id);
      return sort === 'sentAt' ? ascending.reverse() : ascending;
    };

    for (const sort of ['sentAt', 'updatedAt'] as const) {
      for (const [name, filter, isFound] of FILTERS) {
        it(`lists each item once, forwards and backwards by ${sort}, with a filter of ${name}`, async () => {
          const wanted = inOrder(sort, isFound);
          const limit = 17;
          const forwards: string[] = [];
          let cursor: string | undefined;
          let last: Awaited<ReturnType<Catalogue['media']['list']>>;
          do {
            last = await catalogue.media.list(filter, {
              sort,
              limit,
              withCount: true,
              ...(cursor ? { cursor } : {}),
            });
            assert.deepEqual(last.count, { value: wanted.length, isExact: true });
            assert.equal(last.previousCursor === undefined, cursor === undefined);
            forwards.push(...last.items.map(({ id }) => id));
            cursor = last.nextCursor;
            // By updatedAt every page leads on.
          } while (cursor && forwards.length < wanted.length);
          assert.deepEqual(forwards, wanted);
          const backwards = last.items.map(({ id }) => id);
          while (last.previousCursor) {
            last = await catalogue.media.list(filter, { sort, limit, cursor: last.previousCursor });
            assert.ok(last.nextCursor);
            backwards.unshift(...last.items.map(({ id }) => id));
          }
          assert.deepEqual(backwards, wanted);
        });
      }
    }

    it('shows the first page where the rows before a cursor are gone', async () => {
      const filter = { accounts: ['wx-short'] };
      const row = { ...ROWS_MADE.find(({ status }) => status === 'archived')!, account: 'wx-short' };
      const insert = (id: string, sentAt: string) =>
        database.query(
          `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, status, sent_at, expires_at, closes_at, created_at,
             updated_at) VALUES ($1, 'wx-short', $1, $2, 'archived', $3, $3, $3, $3, $3)`,
          [id, row.kind, sentAt],
        );
      const [newer, older] = ['a', 'b'].map((letter) => `m_${letter.repeat(32)}`) as [string, string];
      await insert(newer, '2026-01-02T00:00:00Z');
      await insert(older, '2026-01-01T00:00:00Z');
      const first = await catalogue.media.list(filter, { sort: 'sentAt', limit: 1 });
      const second = await catalogue.media.list(filter, {
        sort: 'sentAt',
        limit: 1,
        cursor: first.nextCursor!,
      });
      await database.query(`DELETE FROM ${SCHEMA}.media WHERE id = $1`, [newer]);
      const back = await catalogue.media.list(filter, {
        sort: 'sentAt',
        limit: 1,
        cursor: second.previousCursor!,
      });
      assert.deepEqual([back.items.map(({ id }) => id), back.previousCursor], [[older], undefined]);
      await database.query(`DELETE FROM ${SCHEMA}.media WHERE account = 'wx-short'`);
    });

    it('gives the same conditions, with the search, to statements of other parts', async () => {
      for (const [name, filter, isFound] of FILTERS) {
        const values: unknown[] = [];
        const conditions = conditionsOf(filter, (value) => `$${values.push(value)}`, SCHEMA);
        const rows = await database.query<{ id: string }>(
          `SELECT id FROM ${SCHEMA}.media WHERE ${['true', ...conditions].join(' AND ')}`,
          values,
        );
        const wanted = ROWS_MADE.filter((row) => isFound(row)).map(({ id }) => id);
        assert.deepEqual(rows.map(({ id }) => id).sort(), wanted.sort(), name);
      }
    });
  });
}
