/** Reads customer-service messages with a real catalogue and a real socket; the test controls the clock. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { createAccountHolds } from '../../../src/pipeline/dispatch/account-hold.ts';
import { createKfSyncer } from '../../../src/pipeline/ingest/kf-sync.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import { createKfSync } from '../../../src/wechat/customer-service/sync-messages.ts';
import { encryptAtRest } from '../../../src/wechat/tokens/encrypt-at-rest.ts';
import { type Bundle, backends, lifetimes, setup as openCatalogue } from '../../catalogue/backends.ts';
import { account } from '../../wechat/callback/vectors.ts';
import { startHttpServer } from '../../wechat/servers.ts';

const NEVER = new AbortController().signal;
const CORP = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom' });
const OTHER = account({ account: 'wx-official' });
const START = new Date('2026-03-01T00:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const OK = { errcode: 0, has_more: 0, next_cursor: 'C1', msg_list: [] };
const image = (mediaId: string) => ({
  msgid: `of-${mediaId}`,
  external_userid: 'wmUSER',
  send_time: START.getTime() / 1000,
  msgtype: 'image',
  image: { media_id: mediaId },
});

type CannedResponse = object | string;

/** One database for all tests, emptied before each: opening one takes longer than all tests together. */
let bundle: Bundle;

async function setup(t: TestContext, respond: (body: { cursor?: string; token?: string }) => CannedResponse) {
  const { catalogue, database } = bundle;
  for (const table of ['kf_cursor', 'account']) await database.query(`DELETE FROM wma.${table}`);
  let nowMs = START.getTime();
  const requests: { cursor?: string; token?: string; open_kfid: string }[] = [];
  const wecom = await startHttpServer(t, (_request, response, body) => {
    const request = JSON.parse(body);
    requests.push(request);
    const reply = respond(request);
    if (typeof reply === 'string') response.writeHead(502).end(reply);
    else response.end(JSON.stringify(reply));
  });
  const api = createWechatApi({ baseUrl: 'http://127.0.0.1:1', wecomBaseUrl: wecom.url });
  t.after(() => api.close());
  const clock = { now: () => new Date(nowMs), sleep: async () => {} };
  const lines: { level: string; line: Record<string, unknown>; text: string }[] = [];
  const write = (level: string) => (line: object, text: string) =>
    void lines.push({ level, line: line as Record<string, unknown>, text });
  const log = { info: write('info'), warn: write('warn'), error: write('error') } as never;
  const reread: Date[] = [];
  const rereadAccounts = () => void reread.push(new Date(nowMs));
  await catalogue.accounts.ensure([CORP.account]);
  const now = new Date(nowMs);
  const token = { value: 'ACCESS', fingerprint: 'f', issuedAt: now, expiresAt: now };
  const metrics = createMetrics();
  const syncer = createKfSyncer({
    catalogue,
    kfSync: createKfSync({
      api,
      tokens: {
        get: async () => token,
        reportRefused: async () => ({ retryAfterMs: 1_000 }),
        reportAccepted: () => {},
      },
    }),
    accounts: { all: [OTHER, CORP], find: (word) => [OTHER, CORP].find((one) => one.account === word) },
    holds: createAccountHolds({ catalogue, clock, lifetimes, log, rereadAccounts }),
    clock,
    lifetimes,
    random: () => 0,
    metrics,
    log,
    onAccepted: () => {},
    rereadAccounts,
  });
  const want = (openKfId = 'wk1') =>
    catalogue.kfCursors.requestRead(CORP.account, openKfId, encryptAtRest(CORP, 'CALLBACK'), clock.now());
  const state = async () => (await catalogue.kfCursors.list([CORP.account]))[0];
  const advance = (ms: number) => {
    nowMs += ms;
  };
  /** Reads everything that is due now. */
  const sync = async () => {
    while (await syncer.syncOne(NEVER));
  };
  return { catalogue, requests, lines, reread, metrics, syncer, want, state, advance, sync };
}

describe('the customer-service sync', () => {
  const closing: (() => unknown)[] = [];
  before(async () => {
    const owner = { after: (close: () => unknown) => void closing.push(close), skip: () => undefined };
    bundle = (await openCatalogue(owner as never, backends[0]!.open))!;
  });
  after(async () => {
    for (const close of closing) await close();
  });

  it('uses the callback’s token while it is valid, and reads each hour without one', async (t) => {
    const s = await setup(t, () => OK);
    await s.want();
    await s.sync();
    assert.deepEqual(
      s.requests.map(({ token, cursor }) => [token, cursor]),
      [['CALLBACK', undefined]],
    );
    assert.deepEqual((await s.state())?.readAt, START);
    s.advance(HOUR_MS - 1);
    await s.sync();
    assert.equal(s.requests.length, 1, 'not before its hour');
    s.advance(1);
    await s.sync();
    assert.deepEqual(s.requests.map(({ token, cursor }) => [token, cursor]).at(-1), [undefined, 'C1']);
    await s.want();
    s.advance(11 * MINUTE_MS);
    await s.sync();
    assert.equal(s.requests.at(-1)?.token, undefined, 'a token of eleven minutes is invalid');
  });

  it('retries a transient failure with the same token and longer delays until it succeeds', async (t) => {
    let failures = 3;
    const s = await setup(t, () => (failures-- > 0 ? '<html>' : { ...OK, msg_list: [image('m-1')] }));
    await s.want();
    for (const waitMs of [2_000, 4_000, 8_000]) {
      await s.sync();
      const before = s.requests.length;
      s.advance(waitMs - 1);
      await s.sync();
      assert.equal(s.requests.length, before, `not before ${waitMs} ms`);
      s.advance(1);
    }
    await s.sync();
    assert.deepEqual(
      s.requests.map(({ token }) => token),
      Array(4).fill('CALLBACK'),
    );
    assert.equal((await s.state())?.failure, undefined);
    assert.equal((await s.metrics.received.get()).values[0]?.value, 1);
    const failed = (await s.metrics.failed.get()).values;
    assert.deepEqual(
      failed.map(({ value, labels }) => [value, labels.class]),
      [[3, 'transient']],
    );
  });

  it('retries without the callback’s token where that token is refused', async (t) => {
    const s = await setup(t, ({ token }) => (token ? { errcode: 95007 } : OK));
    await s.want();
    await s.sync();
    s.advance(2_000);
    await s.sync();
    assert.deepEqual(
      s.requests.map(({ token }) => token),
      ['CALLBACK', undefined],
    );
  });

  it('holds an account that is refused, and continues without help when it is accepted', async (t) => {
    let isRefused = true;
    const s = await setup(t, () => (isRefused ? { errcode: 48002, errmsg: 'no permission' } : OK));
    for (const openKfId of ['wk1', 'wk2']) await s.want(openKfId);
    await s.sync();
    assert.equal(s.requests.length, 1, 'one refusal is for both');
    const [hold] = await s.catalogue.accounts.listHolds();
    assert.deepEqual(
      [hold?.reason?.errcode, hold?.until],
      [48002, new Date(START.getTime() + 5 * MINUTE_MS)],
    );
    isRefused = false;
    s.advance(5 * MINUTE_MS);
    await s.sync();
    assert.equal(s.reread.length, 1, 'a corrected secret is read first');
    assert.deepEqual(await s.catalogue.accounts.listHolds(), []);
    for (const one of await s.catalogue.kfCursors.list([CORP.account])) assert.equal(one.failure, undefined);
  });

  it('holds the account no second time where its downloads succeed', async (t) => {
    const s = await setup(t, () => ({ errcode: 48002 }));
    await s.want();
    await s.sync();
    s.advance(5 * MINUTE_MS);
    assert.equal(
      await s.catalogue.accounts.endLapsedHold(
        CORP.account,
        new Date(START.getTime() + 5 * MINUTE_MS),
        new Date(START.getTime() + 5 * MINUTE_MS),
      ),
      true,
    );
    await s.sync();
    assert.equal(s.requests.length, 2);
    assert.deepEqual(await s.catalogue.accounts.listHolds(), []);
    assert.equal((await s.state())?.failure?.errcode, 48002, 'the failure is still recorded');
  });

  it('waits a minute after a limit, then two, for the whole account', async (t) => {
    const s = await setup(t, () => ({ errcode: 45009 }));
    await s.want();
    await s.sync();
    await s.want('wk2');
    s.advance(MINUTE_MS - 1);
    assert.equal(s.requests.length, 1);
    assert.deepEqual(await s.catalogue.accounts.listHolds(), [], 'downloads have a limit of their own');
    s.advance(1);
    await s.sync();
    const second = s.requests.length;
    s.advance(MINUTE_MS - 1);
    await s.sync();
    assert.equal(s.requests.length, second);
  });

  it('reads from the beginning after three failures of an unknown class, because the cursor may be refused', async (t) => {
    const s = await setup(t, ({ cursor }) =>
      cursor === 'C1' ? { errcode: 987_654 } : { ...OK, next_cursor: cursor ? 'C9' : 'C1' },
    );
    await s.want();
    await s.sync();
    for (let attempts = 0; attempts < 3; attempts++) {
      await s.want();
      s.advance(31 * MINUTE_MS);
      await s.sync();
    }
    await s.want();
    s.advance(3 * HOUR_MS);
    await s.sync();
    assert.deepEqual(
      s.requests.map(({ cursor }) => cursor),
      [undefined, 'C1', 'C1', 'C1', undefined],
    );
  });

  it('stops where cursors repeat or only empty pages follow', async (t) => {
    // Without the limits under test both would end after some hundred calls.
    let calls = 0;
    const cycle = await setup(t, ({ cursor }) => ({
      errcode: 0,
      has_more: ++calls < 300 ? 1 : 0,
      next_cursor: cursor === 'A' ? 'B' : 'A',
      msg_list: [{ msgtype: 'text', text: {} }],
    }));
    await cycle.want();
    await cycle.sync();
    assert.ok(cycle.requests.length <= 4, `${cycle.requests.length} calls`);
    assert.ok(cycle.lines.some(({ level, text }) => level === 'warn' && /without an end/.test(text)));

    let page = 0;
    const empty = await setup(t, () => ({
      errcode: 0,
      has_more: page < 300 ? 1 : 0,
      next_cursor: `C${++page}`,
      msg_list: [],
    }));
    await empty.want();
    await empty.sync();
    assert.equal(empty.requests.length, 50);
  });

  it('reads to the end in more than one turn where there are many pages', async (t) => {
    let page = 0;
    const s = await setup(t, () => ({
      errcode: 0,
      has_more: ++page < 70 ? 1 : 0,
      next_cursor: `C${page}`,
      msg_list: [{ msgtype: 'text', text: {} }],
    }));
    await s.want();
    assert.equal(await s.syncer.syncOne(NEVER), true);
    assert.equal(s.requests.length, 50, 'other accounts have their turn');
    assert.equal((await s.state())?.readAt, undefined);
    await s.sync();
    assert.deepEqual([s.requests.length, s.requests.at(-1)?.cursor], [70, 'C69']);
    assert.deepEqual((await s.state())?.readAt, START);
  });

  it('counts and logs skipped messages by type', async (t) => {
    const s = await setup(t, () => ({
      ...OK,
      msg_list: [{ msgtype: 'text', text: {} }, { msgtype: 'image', image: {} }, { msgtype: 'x'.repeat(99) }],
    }));
    await s.want();
    await s.sync();
    const { values } = await s.metrics.passedOver.get();
    assert.deepEqual(
      values.map(({ labels, value }) => [labels.type, labels.why, value]),
      [
        ['text', 'no_media', 1],
        ['image', 'unusable', 1],
        ['other', 'no_media', 1],
      ],
    );
    const line = s.lines.find(({ text }) => /skipped/.test(text));
    assert.equal(line?.level, 'warn');
    assert.deepEqual(line?.line.counts, { 'text no_media': 1, 'image unusable': 1, 'other no_media': 1 });
  });

  it('is continued at once by another process where this one is stopped in the middle', async (t) => {
    const s = await setup(t, () => OK);
    await s.want();
    const gone = AbortSignal.abort(new Error('stopped'));
    assert.equal(await s.syncer.syncOne(gone), true);
    assert.equal((await s.state())?.failure, undefined, 'no failure of WeCom');
    await s.sync();
    assert.deepEqual((await s.state())?.readAt, START);
  });
});
