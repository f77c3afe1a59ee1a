/** The demo's judge must be able to say no: each row here is wrong in one way. */
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
const SCENE: ScriptItem = {
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

/** A store with one object; answers the judge's verdict on a row that links to it. */
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
    verdictOn: (row: RowWithLink | undefined, scene: Partial<ScriptItem> = {}) =>
      checkItem({ ...SCENE, ...scene }, 'm_1', row, async () => SENT, AbortSignal.timeout(5_000)),
  };
}

describe('the judge of one media', () => {
  test('has nothing to say of an archived media whose object has the bytes that were sent', async (t) => {
    const { url, verdictOn } = await setup(t);
    const { problems: wrong, verified } = await verdictOn({ ...ROW, link: { url } });
    assert.deepEqual({ wrong, verified }, { wrong: [], verified: true });
  });

  test('sees other bytes in the store', async (t) => {
    const { url, verdictOn } = await setup(t, Buffer.from('the very bytez'));
    const { problems: wrong, verified } = await verdictOn({ ...ROW, link: { url } });
    assert.equal(verified, false);
    assert.match(wrong.join(), /not those WeChat sent/);
  });

  test('sees a catalogue that tells another digest than the store holds', async (t) => {
    const { url, verdictOn } = await setup(t);
    const { verified } = await verdictOn({ ...ROW, sha256: 'f'.repeat(64), link: { url } });
    assert.equal(verified, false);
  });

  for (const [what, row, scene, pattern] of [
    ['a media without a row', undefined, {}, /has no row/],
    ['one still pending', { ...ROW, status: 'pending' }, {}, /is pending, should be archived/],
    ['one dead that should be archived', { ...ROW, status: 'dead' }, {}, /is dead/],
    ['one archived that should be dead', ROW, { expectedStatus: 'dead' }, /should be dead/],
    ['one without a link', ROW, {}, /has no link/],
    ['one that fails its own check', ROW, { check: () => 'came too late' }, /came too late/],
  ] as const) {
    test(`sees ${what}`, async (t) => {
      const { verdictOn } = await setup(t);
      assert.match((await verdictOn(row, scene)).problems.join(), pattern);
    });
  }

  test('sees a link that is refused', async (t) => {
    const { url, verdictOn } = await setup(t);
    const { problems: wrong } = await verdictOn({ ...ROW, link: { url: `${url}-elsewhere` } });
    assert.match(wrong.join(), /cannot be read back: the link was answered 403/);
  });

  test('sees a large file that was not uploaded in parts', async (t) => {
    const whole = await setup(t);
    const parts = await setup(t, BYTES, '"abc-4"');
    const ask = ({ url, verdictOn }: typeof whole) =>
      verdictOn({ ...ROW, link: { url } }, { multipart: true });
    assert.match((await ask(whole)).problems.join(), /not uploaded in parts/);
    assert.deepEqual((await ask(parts)).problems, []);
  });
});

describe('the summary of a day', () => {
  const verdict = (id: string): ItemCheck => ({
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
  const two = [verdict('m_1'), verdict('m_2')];

  test('of a good day holds no failure', () => {
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

  for (const [what, verdicts, counted, pattern] of [
    ['a wrong media', [{ ...verdict('m_1'), problems: ['is dead'] }, verdict('m_2')], {}, /is dead/],
    ['two media in one object', [verdict('m_1'), { ...verdict('m_2'), row: two[0]?.row }], {}, /share one/],
    ['a repeat that made a row', two, { created: 3 }, /0 repeats made no row/],
    ['a callback that was not accepted', two, { accepted: 2, created: 1 }, /not every callback/],
    ['a row that nobody sent', two, { strangers: 1 }, /nobody sent/],
    ['an invalidated token that nobody met', two, { tokensRefused: 0 }, /invalidated token/],
  ] as const) {
    test(`fails for ${what}`, () => {
      const { failures } = summaryOf(verdicts, { ...GOOD, ...counted });
      assert.match(failures.map((failure) => failure.what).join(), pattern);
    });
  }

  test('of a resumed day counts what the first half had accepted as repeats', () => {
    const { duplicates, failures } = summaryOf(two, { ...GOOD, created: 1, tokensRefused: 0, resumed: true });
    assert.deepEqual({ duplicates, failures }, { duplicates: 2, failures: [] });
  });
});

test('the script is the same for the same day, and has the 40 pictures, 10 voices and 6 videos', () => {
  const day = { account: 'wx1', startedAt: new Date(0), seed: 7, lifetimeMs: 360_000 };
  const script = writeScript(day);
  const good = script
    .filter(({ expectedStatus: fate }) => fate === 'archived')
    .map(({ message: wish }) => wish.kind);
  const count = (kind: string) => good.filter((one) => one === kind).length;
  assert.deepEqual([count('image'), count('voice'), count('video'), script.length], [40, 10, 6, 58]);
  assert.deepEqual(
    writeScript(day).map(({ message: wish }) => wish),
    script.map(({ message: wish }) => wish),
  );
});
