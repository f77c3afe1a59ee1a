/** The demo's checks must find each way in which a row can be wrong. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { checkItem, type ItemCheck, type RowWithLink } from '../../src/demo/check.ts';
import { type ScriptItem, writeScript } from '../../src/demo/script.ts';
import { type DayCounts, summaryOf } from '../../src/demo/summary.ts';

const BYTES = Buffer.from('the very bytes');
const digestOf = (bytes: Buffer) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  sizeBytes: bytes.length,
});
const SENT = digestOf(BYTES);
const ITEM: ScriptItem = {
  message: { account: 'wx1', kind: 'image', seed: 1 },
  expectedStatus: 'archived',
  description: 'picture',
};
const ROW: RowWithLink = {
  id: 'm_1',
  status: 'archived',
  attempts: 1,
  kind: 'image',
  ...SENT,
  objectKey: 'wx1/a.jpg',
  createdAt: '2026-01-01T00:00:00Z',
};

/** Opens a store with one object; `checkRow` checks a row against it. */
async function setup(t: TestContext, stored: Buffer = BYTES, etag = '"abc"') {
  const server = createServer((request, response) => {
    const status = request.url === '/object' ? 200 : 403;
    response.writeHead(status, { etag }).end(stored);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/object`;
  return {
    url,
    checkRow: (row: RowWithLink | undefined, item: Partial<ScriptItem> = {}) =>
      checkItem({ ...ITEM, ...item }, 'm_1', row, async () => SENT, AbortSignal.timeout(5_000)),
  };
}

describe('the check of one media item', () => {
  test('an archived item whose object has the bytes that were sent has no problem', async (t) => {
    const { url, checkRow } = await setup(t);
    const { problems, verified } = await checkRow({ ...ROW, link: { url } });
    assert.deepEqual({ problems, verified }, { problems: [], verified: true });
  });

  test('other bytes in the store are a problem', async (t) => {
    const { url, checkRow } = await setup(t, Buffer.from('the very bytez'));
    const { problems, verified } = await checkRow({ ...ROW, link: { url } });
    assert.equal(verified, false);
    assert.match(problems.join(), /not those that WeChat sent/);
  });

  test('a row with another digest than the stored object is not verified', async (t) => {
    const { url, checkRow } = await setup(t);
    const { verified } = await checkRow({ ...ROW, sha256: 'f'.repeat(64), link: { url } });
    assert.equal(verified, false);
  });

  for (const [what, row, item, pattern] of [
    ['an item without a row', undefined, {}, /has no row/],
    ['a pending item', { ...ROW, status: 'pending' }, {}, /is pending, should be archived/],
    ['a dead item that should be archived', { ...ROW, status: 'dead' }, {}, /is dead/],
    ['an archived item that should be dead', ROW, { expectedStatus: 'dead' }, /should be dead/],
    ['an archived item without a link', ROW, {}, /has no link/],
    ['an item that fails its own check', ROW, { check: () => 'came too late' }, /came too late/],
  ] as const) {
    test(`${what} is a problem`, async (t) => {
      const { checkRow } = await setup(t);
      assert.match((await checkRow(row, item)).problems.join(), pattern);
    });
  }

  test('a link that is refused is a problem', async (t) => {
    const { url, checkRow } = await setup(t);
    const { problems } = await checkRow({ ...ROW, link: { url: `${url}-elsewhere` } });
    assert.match(problems.join(), /cannot be read back: the link returned 403/);
  });

  test('a large file that was not uploaded in parts is a problem', async (t) => {
    const whole = await setup(t);
    const parts = await setup(t, BYTES, '"abc-4"');
    const checkMultipart = ({ url, checkRow }: typeof whole) =>
      checkRow({ ...ROW, link: { url } }, { multipart: true });
    assert.match((await checkMultipart(whole)).problems.join(), /not uploaded in parts/);
    assert.deepEqual((await checkMultipart(parts)).problems, []);
  });
});

describe('the summary of the demo', () => {
  const checkOf = (id: string): ItemCheck => ({
    id,
    description: 'picture',
    row: { ...ROW, id, objectKey: `wx1/${id}.jpg` },
    verified: true,
    problems: [],
  });
  const GOOD: DayCounts = {
    accepted: 3,
    created: 2,
    repeats: 1,
    unexpectedRows: 0,
    tokensRefused: 1,
    resumed: false,
  };
  const two = [checkOf('m_1'), checkOf('m_2')];

  test('a good day has no failure', () => {
    assert.deepEqual(summaryOf(two, GOOD), {
      received: 2,
      archived: 2,
      dead: 0,
      expired: 0,
      duplicates: 1,
      bytes: 2 * BYTES.length,
      verified: 2,
      failures: [],
    });
  });

  for (const [what, checks, counted, pattern] of [
    ['an item with a problem', [{ ...checkOf('m_1'), problems: ['is dead'] }, checkOf('m_2')], {}, /is dead/],
    ['two items with one object', [checkOf('m_1'), { ...checkOf('m_2'), row: two[0]?.row }], {}, /share one/],
    ['a repeat that created a row', two, { created: 3 }, /0 repeats created no row/],
    ['a callback that was not accepted', two, { accepted: 2, created: 1 }, /not every callback/],
    ['a row without a message', two, { unexpectedRows: 1 }, /without a message/],
    ['an invalidated token that no request met', two, { tokensRefused: 0 }, /invalidated token/],
  ] as const) {
    test(`the day fails for ${what}`, () => {
      const { failures } = summaryOf(checks, { ...GOOD, ...counted });
      assert.match(failures.map((failure) => failure.what).join(), pattern);
    });
  }

  test('a resumed day counts the items of the interrupted run as repeats', () => {
    const { duplicates, failures } = summaryOf(two, { ...GOOD, created: 1, tokensRefused: 0, resumed: true });
    assert.deepEqual({ duplicates, failures }, { duplicates: 2, failures: [] });
  });
});

test('the script is the same for the same day, and has the 40 pictures, 10 voices and 6 videos', () => {
  const day = { account: 'wx1', startedAt: new Date(0), seed: 7, lifetimeMs: 360_000 };
  const script = writeScript(day);
  const good = script
    .filter(({ expectedStatus: fate }) => fate === 'archived')
    .map(({ message }) => message.kind);
  const count = (kind: string) => good.filter((one) => one === kind).length;
  assert.deepEqual([count('image'), count('voice'), count('video'), script.length], [40, 10, 6, 58]);
  assert.deepEqual(
    writeScript(day).map(({ message }) => message),
    script.map(({ message }) => message),
  );
});
