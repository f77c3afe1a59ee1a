import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FailureError } from '../../../src/failures.ts';
import { createWechatApi } from '../../../src/wechat/api/client.ts';
import { createKfSync } from '../../../src/wechat/customer-service/sync-messages.ts';
import type { AccessToken } from '../../../src/wechat/tokens/tokens.ts';
import { account } from '../callback/vectors.ts';
import { startHttpServer } from '../servers.ts';

const NEVER = new AbortController().signal;
const CORP = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom' });
const SENT = { external_userid: 'wmUSER', open_kfid: 'wk1', send_time: 1_615_478_585, origin: 3 };

async function setup(t: TestContext, responses: object[]) {
  const wecom = await startHttpServer(t, (_request, response) =>
    response.end(JSON.stringify(responses.shift())),
  );
  const api = createWechatApi({ baseUrl: 'http://127.0.0.1:1', wecomBaseUrl: wecom.url });
  t.after(() => api.close());
  let serial = 1;
  const bad: string[] = [];
  const token = (): AccessToken => {
    const now = new Date();
    return { value: `TOKEN-${serial}`, fingerprint: `${serial}`, issuedAt: now, expiresAt: now };
  };
  const tokens = {
    get: async () => token(),
    reportRefused: async (_account: unknown, { value }: AccessToken) => {
      bad.push(value);
      serial++;
      return { retryAfterMs: 0 };
    },
    reportAccepted: () => {},
  };
  return { wecom, bad, sync: createKfSync({ api, tokens }) };
}

test('messages of customer service are fetched page by page with a cursor', async (t) => {
  const media = (msgtype: string) => ({
    ...SENT,
    msgid: `id-${msgtype}`,
    msgtype,
    [msgtype]: { media_id: `m-${msgtype}` },
  });
  const { wecom, sync } = await setup(t, [
    {
      errcode: 0,
      errmsg: 'ok',
      next_cursor: 'C2',
      has_more: 1,
      msg_list: [
        media('image'),
        { ...SENT, msgid: 'text', msgtype: 'text', text: { content: 'hello' } },
        media('voice'),
        { ...SENT, msgid: 'event', msgtype: 'event', origin: 4, event: { event_type: 'enter_session' } },
        media('video'),
        media('file'),
        { ...SENT, msgid: 'odd', msgtype: 'image', image: { media_id: '' } },
        { msgtype: '__proto__' },
        null,
      ],
    },
    { errcode: 0, next_cursor: 'C2', has_more: 1, msg_list: [] },
  ]);
  const page = await sync.fetchPage(CORP, { openKfId: 'wk1', token: 'CALLBACK-TOKEN', cursor: 'C1' }, NEVER);
  assert.deepEqual(
    page.references,
    ['image', 'voice', 'video', 'file'].map((kind) => ({
      account: 'ww1-2',
      mediaId: `m-${kind}`,
      kind,
      openId: 'wmUSER',
      msgId: `id-${kind}`,
      sentAt: new Date('2021-03-11T16:03:05Z'),
    })),
  );
  assert.deepEqual([page.nextCursor, page.hasMore, page.messages], ['C2', true, 9]);
  assert.deepEqual(page.skipped, [
    { type: 'text', why: 'no_media' },
    { type: 'event', why: 'no_media' },
    { type: 'image', why: 'unusable' },
    { type: 'other', why: 'no_media' },
    { type: 'other', why: 'unreadable' },
  ]);
  assert.equal(wecom.requests[0]!.url, '/cgi-bin/kf/sync_msg?access_token=TOKEN-1');
  assert.deepEqual(JSON.parse(wecom.requests[0]!.body), {
    open_kfid: 'wk1',
    limit: 1000,
    voice_format: 0,
    token: 'CALLBACK-TOKEN',
    cursor: 'C1',
  });
  const last = await sync.fetchPage(CORP, { openKfId: 'wk1', cursor: 'C2' }, NEVER);
  assert.deepEqual([last.nextCursor, last.hasMore], ['C2', false], 'a cursor that stands still is the end');
});

test('a refused token is replaced once, and other failures are passed on', async (t) => {
  const again = await setup(t, [
    { errcode: 42001 },
    { errcode: 0, next_cursor: 'C', has_more: 0, msg_list: [] },
  ]);
  await again.sync.fetchPage(CORP, { openKfId: 'wk1' }, NEVER);
  assert.deepEqual(again.bad, ['TOKEN-1']);
  const code = async (responses: object[]) => {
    const { sync } = await setup(t, responses);
    const error = await sync.fetchPage(CORP, { openKfId: 'wk1' }, NEVER).catch((reason: unknown) => reason);
    return error instanceof FailureError ? error.failure.code : error;
  };
  assert.equal(await code([{ errcode: 42001 }, { errcode: 42001 }]), 'access_token_expired');
  assert.equal(await code([{ errcode: 45009 }]), 'frequency_limit');
  assert.equal(await code([{ errcode: 48002 }]), 'api_unauthorized');
  assert.equal(await code([{ errcode: 95012 }]), 'customer_service_off');
  assert.equal(await code([{ errcode: 95000 }]), 'customer_service_account_unknown');
  assert.equal(await code([{ errcode: 95007 }]), 'callback_token_invalid');
  assert.equal(await code([{}]), 'malformed_answer');
});

test('a page without a list is empty, and the last one where its cursor does not change', async (t) => {
  const pages = [
    [{ errcode: 0, errmsg: 'ok' }, ['C1', false]],
    [{ errcode: 0, has_more: 1 }, ['C1', false]],
    [{ errcode: 0, has_more: 1, next_cursor: '' }, ['C1', false]],
    [{ errcode: 0, has_more: 1, next_cursor: 'C2', msg_list: null }, ['C2', true]],
    [{ errcode: 0, has_more: '1', next_cursor: 'C2', msg_list: {} }, ['C2', true]],
    [{ has_more: 0, next_cursor: 'C2', msg_list: [] }, ['C2', false]],
  ] as const;
  for (const [page, [cursor, hasMore]] of pages) {
    const { sync } = await setup(t, [page]);
    const read = await sync.fetchPage(CORP, { openKfId: 'wk1', cursor: 'C1' }, NEVER);
    assert.deepEqual(
      [read.nextCursor, read.hasMore, read.messages],
      [cursor, hasMore, 0],
      JSON.stringify(page),
    );
  }
});
