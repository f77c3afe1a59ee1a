/** Each cell of the table from evidence made by hand: what must be found is found, and nothing else is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkEvidence, idOf } from './check-evidence.ts';
import { type ApiRow, digestKey, type Evidence } from './evidence.ts';
import { brokenCells, type CellName } from './findings.ts';

const ACCOUNT = 'wx1';
const SENT_AT = Date.parse('2026-05-01T12:00:00Z');
const LIFE_MS = 100_000;
const iso = (ms: number) => new Date(SENT_AT + ms).toISOString();
const SHA = 'a'.repeat(64);

const row = (mediaId: string, more: Partial<ApiRow> = {}): ApiRow => ({
  id: idOf(ACCOUNT, mediaId),
  account: ACCOUNT,
  status: 'archived',
  mediaId,
  attempts: 1,
  createdAt: iso(0),
  expiresAt: iso(LIFE_MS),
  ...(more.status === undefined && { objectKey: `${mediaId}.jpg`, sizeBytes: 3, sha256: SHA }),
  ...more,
});
const attempt = (mediaId: string, more: object = {}) => ({
  table: 'attempt',
  row: {
    media: idOf(ACCOUNT, mediaId),
    ended_at: iso(10_000),
    outcome: 'archived',
    code: null,
    errcode: null,
    ...more,
  },
});

/** One media, accepted and archived as it should be. */
const GOOD: Evidence = {
  run: { way: 'product', shape: 'redis', seed: 1, lifeMs: LIFE_MS, secrets: ['the-secret'] },
  sent: [
    { at: SENT_AT, account: ACCOUNT, mediaIds: ['a'], accepted: true, statuses: [[200]], sentAt: SENT_AT },
  ],
  windows: [],
  rows: [row('a')],
  objects: [{ key: 'a.jpg', sizeBytes: 3, sha256: SHA }],
  uploads: [],
  digests: { [digestKey(ACCOUNT, 'a')]: { sizeBytes: 3, sha256: SHA } },
  requestLog: {},
  database: [attempt('a')],
  redis: [],
  texts: () => [{ name: 'logs/server.log', text: 'all is well\n' }],
};
const expired = { rows: [row('a', { status: 'expired' })], objects: [] };
const output = (text: string) => ({ texts: () => [{ name: 'logs/worker-1.log', text }] });

const BAD: readonly (readonly [cell: CellName, what: string, changes: Partial<Evidence>])[] = [
  ['answered, never accepted', 'a response and no row', { rows: [], objects: [] }],
  ['accepted and lost', 'an object that is not there', { objects: [] }],
  [
    'accepted and lost',
    'a dead letter that WeChat has',
    { rows: [row('a', { status: 'dead' })], objects: [] },
  ],
  [
    'archived with wrong bytes',
    'other bytes than WeChat has',
    { digests: { [digestKey(ACCOUNT, 'a')]: { sizeBytes: 4, sha256: SHA } } },
  ],
  [
    'archived with wrong bytes',
    'a row that differs',
    { rows: [row('a', { objectKey: 'a.jpg', sizeBytes: 3, sha256: 'b' })] },
  ],
  [
    'objects doubled or orphaned',
    'an object without a row',
    { objects: [...GOOD.objects, { key: 'b.jpg', sizeBytes: 1, sha256: SHA }] },
  ],
  ['open multiparts', 'an upload that stays open', { uploads: [{ key: 'a.jpg', uploadId: 'u' }] }],
  ['rows stuck', 'a row that is pending', { rows: [row('a', { status: 'pending' })], objects: [] }],
  [
    'attempts spent in holds',
    'a quota that costs a try',
    {
      rows: [row('a', { attempts: 2 })],
      database: [attempt('a'), attempt('a', { outcome: 'failed', errcode: 45009 })],
    },
  ],
  [
    'attempts spent in holds',
    'a refusal of the whole store that costs a try',
    {
      windows: [{ what: 'store', name: 'refused', from: SENT_AT, to: SENT_AT + 20_000 }],
      rows: [row('a', { attempts: 2 })],
      database: [attempt('a'), attempt('a', { outcome: 'failed', code: 'store_refused' })],
    },
  ],
  ['attempts spent in holds', 'an attempt that the log does not know', { rows: [row('a', { attempts: 2 })] }],
  ['secrets found', 'a secret to the letter', output('it is the-secret')],
  ['secrets found', 'a token by its form', output(`{"note":"92_${'x'.repeat(120)}"}`)],
  ['secrets found', 'a signed link', output(`https://s3/b/k?X-Amz-Signature=${'0'.repeat(64)}`)],
  ['expired though usable', 'a life in which nothing was wrong', expired],
  ['programs that crashed', 'an uncaught error', output('worker failed unexpectedly: TypeError: x\n')],
];

test('finds nothing when everything is right', () => assert.deepEqual(brokenCells(checkEvidence(GOOD)), {}));

for (const [cell, what, changes] of BAD) {
  test(`${cell}: ${what}`, () => {
    const found = brokenCells(checkEvidence({ ...GOOD, ...changes }));
    assert.deepEqual(Object.keys(found), [cell], JSON.stringify(found));
    assert.equal(found[cell]?.length, 1);
  });
}

test('finds nothing wrong with an item that could never be fetched', () => {
  const windows = [
    { what: 'wechat', name: 'dayQuota', account: ACCOUNT, from: SENT_AT, to: SENT_AT + 60_000 },
    { what: 'store', name: 'unavailable', from: SENT_AT + 50_000, to: SENT_AT + 95_000 },
  ] as const;
  assert.deepEqual(brokenCells(checkEvidence({ ...GOOD, ...expired, windows })), {});
  const [sent] = GOOD.sent;
  const never = [{ ...sent!, fault: { name: 'shortBody' } }];
  assert.deepEqual(brokenCells(checkEvidence({ ...GOOD, ...expired, sent: never })), {});
});
