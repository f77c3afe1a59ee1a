/** Reading customer service, on a real catalogue and a real socket; the clock is the test's. */
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

type Answer = object | string;

/** One database for all, emptied before each: opening one takes longer than all the rest. */
let bundle: Bundle;

async function setup(t: TestContext, answer: (body: { cursor?: string; token?: string }) => Answer) {
  const { catalogue, database } = bundle;
  for (const table of ['kf_sync', 'account']) await database.query(`DELETE FROM wma.${table}`);
  let nowMs = START.getTime();
  const asked: { cursor?: string; token?: string; open_kfid: string }[] = [];
  const wecom = await startHttpServer(t, (_request, response, body) => {
    const request = JSON.parse(body);
    asked.push(request);
    const reply = answer(request);
    if (typeof reply === 'string') response.writeHead(502).end(reply);
    else response.end(JSON.stringify(reply));
  });
  const api = createWechatApi({ baseUrl: 'http://127.0.0.1:1', wecomBaseUrl: wecom.url });
  t.after(() => api.close());
  const clock = { now: () => new Date(nowMs), sleep: async () => {} };
  const lines: { level: string; line: Record<string, unknown>; text: string }[] = [];
  const say = (level: string) => (line: object, text: string) =>
    void lines.push({ level, line: line as Record<string, unknown>, text });
  const log = { info: say('info'), warn: say('warn'), error: say('error') } as never;
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
  /** Reads whatever is wanted now. */
  const sync = async () => {
    while (await syncer.syncOne(NEVER));
  };
  return { catalogue, asked, lines, reread, metrics, syncer, want, state, advance, sync };
}

describe('customer service is read', () => {
  const closing: (() => unknown)[] = [];
  before(async () => {
    const owner = { after: (close: () => unknown) => void closing.push(close), skip: () => undefined };
    bundle = (await openCatalogue(owner as never, backends[0]!.open))!;
  });
  after(async () => {
    for (const close of closing) await close();
  });

  it('with the callback’s token while that is young, and each hour without one', async (t) => {
    const s = await setup(t, () => OK);
    await s.want();
    await s.sync();
    assert.deepEqual(
      s.asked.map(({ token, cursor }) => [token, cursor]),
      [['CALLBACK', undefined]],
    );
    assert.deepEqual((await s.state())?.readAt, START);
    s.advance(HOUR_MS - 1);
    await s.sync();
    assert.equal(s.asked.length, 1, 'not before its hour');
    s.advance(1);
    await s.sync();
    assert.deepEqual(s.asked.map(({ token, cursor }) => [token, cursor]).at(-1), [undefined, 'C1']);
    await s.want();
    s.advance(11 * MINUTE_MS);
    await s.sync();
    assert.equal(s.asked.at(-1)?.token, undefined, 'a token of eleven minutes is over');
  });

  it('again after what passes, with the token kept and longer waits, until it succeeds', async (t) => {
    let failures = 3;
    const s = await setup(t, () => (failures-- > 0 ? '<html>' : { ...OK, msg_list: [image('m-1')] }));
    await s.want();
    for (const waitMs of [2_000, 4_000, 8_000]) {
      await s.sync();
      const before = s.asked.length;
      s.advance(waitMs - 1);
      await s.sync();
      assert.equal(s.asked.length, before, `not before ${waitMs} ms`);
      s.advance(1);
    }
    await s.sync();
    assert.deepEqual(
      s.asked.map(({ token }) => token),
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

  it('without the callback’s token where that is what is refused', async (t) => {
    const s = await setup(t, ({ token }) => (token ? { errcode: 95007 } : OK));
    await s.want();
    await s.sync();
    s.advance(2_000);
    await s.sync();
    assert.deepEqual(
      s.asked.map(({ token }) => token),
      ['CALLBACK', undefined],
    );
  });

  it('not where it is refused for the account, which is held and goes on by itself', async (t) => {
    let isRefused = true;
    const s = await setup(t, () => (isRefused ? { errcode: 48002, errmsg: 'no permission' } : OK));
    for (const openKfId of ['wk1', 'wk2']) await s.want(openKfId);
    await s.sync();
    assert.equal(s.asked.length, 1, 'what refuses one refuses the other');
    const [hold] = await s.catalogue.accounts.listHolds();
    assert.deepEqual(
      [hold?.reason?.errcode, hold?.until],
      [48002, new Date(START.getTime() + 5 * MINUTE_MS)],
    );
    isRefused = false;
    s.advance(5 * MINUTE_MS);
    await s.sync();
    assert.equal(s.reread.length, 1, 'a corrected secret is read before');
    assert.deepEqual(await s.catalogue.accounts.listHolds(), []);
    for (const one of await s.catalogue.kfCursors.list([CORP.account])) assert.equal(one.failure, undefined);
  });

  it('and holds its account no second time where the media of that get through all the same', async (t) => {
    const s = await setup(t, () => ({ errcode: 48002 }));
    await s.want();
    await s.sync();
    s.advance(5 * MINUTE_MS);
    assert.equal(
      await s.catalogue.accounts.endLapsedHold(CORP.account, new Date(START.getTime() + 5 * MINUTE_MS)),
      true,
    );
    await s.sync();
    assert.equal(s.asked.length, 2);
    assert.deepEqual(await s.catalogue.accounts.listHolds(), []);
    assert.equal((await s.state())?.failure?.errcode, 48002, 'it is still told of');
  });

  it('after a limit no sooner than a minute, then two, for all of the account', async (t) => {
    const s = await setup(t, () => ({ errcode: 45009 }));
    await s.want();
    await s.sync();
    await s.want('wk2');
    s.advance(MINUTE_MS - 1);
    assert.equal(s.asked.length, 1);
    assert.deepEqual(await s.catalogue.accounts.listHolds(), [], 'downloads have a limit of their own');
    s.advance(1);
    await s.sync();
    const second = s.asked.length;
    s.advance(MINUTE_MS - 1);
    await s.sync();
    assert.equal(s.asked.length, second);
  });

  it('from its beginning after three refusals that nobody understands, for the cursor may be one of them', async (t) => {
    const s = await setup(t, ({ cursor }) =>
      cursor === 'C1' ? { errcode: 987_654 } : { ...OK, next_cursor: cursor ? 'C9' : 'C1' },
    );
    await s.want();
    await s.sync();
    for (let tries = 0; tries < 3; tries++) {
      await s.want();
      s.advance(31 * MINUTE_MS);
      await s.sync();
    }
    await s.want();
    s.advance(3 * HOUR_MS);
    await s.sync();
    assert.deepEqual(
      s.asked.map(({ cursor }) => cursor),
      [undefined, 'C1', 'C1', 'C1', undefined],
    );
  });

  it('not for ever, where its cursors go round in a circle or its pages are empty without an end', async (t) => {
    // Without its guard each of them would end after some hundred calls, so that the test does.
    let calls = 0;
    const circle = await setup(t, ({ cursor }) => ({
      errcode: 0,
      has_more: ++calls < 300 ? 1 : 0,
      next_cursor: cursor === 'A' ? 'B' : 'A',
      msg_list: [{ msgtype: 'text', text: {} }],
    }));
    await circle.want();
    await circle.sync();
    assert.ok(circle.asked.length <= 4, `${circle.asked.length} calls`);
    assert.ok(circle.lines.some(({ level, text }) => level === 'warn' && /without an end/.test(text)));

    let page = 0;
    const empty = await setup(t, () => ({
      errcode: 0,
      has_more: page < 300 ? 1 : 0,
      next_cursor: `C${++page}`,
      msg_list: [],
    }));
    await empty.want();
    await empty.sync();
    assert.equal(empty.asked.length, 50);
  });

  it('to its end, where there are more pages than one turn reads', async (t) => {
    let page = 0;
    const s = await setup(t, () => ({
      errcode: 0,
      has_more: ++page < 70 ? 1 : 0,
      next_cursor: `C${page}`,
      msg_list: [{ msgtype: 'text', text: {} }],
    }));
    await s.want();
    assert.equal(await s.syncer.syncOne(NEVER), true);
    assert.equal(s.asked.length, 50, 'others have their turn');
    assert.equal((await s.state())?.readAt, undefined);
    await s.sync();
    assert.deepEqual([s.asked.length, s.asked.at(-1)?.cursor], [70, 'C69']);
    assert.deepEqual((await s.state())?.readAt, START);
  });

  it('and what is passed over is counted and said by type', async (t) => {
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
    const said = s.lines.find(({ text }) => /skipped/.test(text));
    assert.equal(said?.level, 'warn');
    assert.deepEqual(said?.line.counts, { 'text no_media': 1, 'image unusable': 1, 'other no_media': 1 });
  });

  it('again at once by another process where this one is stopped in the middle', async (t) => {
    const s = await setup(t, () => OK);
    await s.want();
    const gone = AbortSignal.abort(new Error('stopped'));
    assert.equal(await s.syncer.syncOne(gone), true);
    assert.equal((await s.state())?.failure, undefined, 'no failure of WeCom');
    await s.sync();
    assert.deepEqual((await s.state())?.readAt, START);
  });
});
