import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  composeServiceMessage,
  SERVICE_KINDS,
  type ServiceKind,
} from '../../../src/simulator/callbacks/service-messages.ts';
import { errcodeOf, setup, WECOM } from '../setup.ts';

interface Page {
  errcode: number;
  next_cursor: string;
  has_more: 0 | 1;
  msg_list: {
    msgid: string;
    msgtype: string;
    open_kfid: string;
    send_time: number;
    [kind: string]: unknown;
  }[];
}

async function setupService(t: TestContext) {
  const bundle = await setup(t);
  const token = await bundle.wecomToken();
  let seed = 0;
  return {
    ...bundle,
    token,
    receive: (kind: ServiceKind = 'image', openKfId = 'wk1') =>
      composeServiceMessage(bundle.simulator, { account: WECOM.account, openKfId, kind, seed: seed++ }),
    sync: async (body: unknown, given = token) =>
      (await (await bundle.post(`/cgi-bin/kf/sync_msg?access_token=${given}`, body)).json()) as Page,
  };
}

describe('WeCom customer service', () => {
  it('a callback has a token, and sync_msg lists the messages, whose files can be downloaded', async (t) => {
    const { receive, sync, get, token } = await setupService(t);
    const messages = SERVICE_KINDS.map((kind) => receive(kind));
    const { fields } = messages[0]!;
    assert.deepEqual(Object.keys(fields), [
      'ToUserName',
      'CreateTime',
      'MsgType',
      'Event',
      'Token',
      'OpenKfId',
    ]);
    assert.equal(fields.Event, 'kf_msg_or_event');
    assert.equal(fields.ToUserName, 'wwcorp');
    const page = await sync({ token: fields.Token, open_kfid: 'wk1' });
    assert.equal(page.errcode, 0);
    assert.equal(page.has_more, 0);
    const types = 'image voice video file file file text event merged_msg miniprogram'.split(' ');
    assert.deepEqual(
      page.msg_list.map(({ msgtype }) => msgtype),
      types,
    );
    for (const [place, message] of page.msg_list.entries()) {
      const { mediaIds } = messages[place]!;
      // The record and the card hold theirs deeper down, or as a thumb.
      assert.ok(JSON.stringify(message).includes(mediaIds[0] ?? ''));
      const content = message[message.msgtype] as { media_id?: string };
      if (content.media_id !== undefined) assert.equal(content.media_id, mediaIds[0]);
      assert.equal(message.send_time, fields.CreateTime);
      if (mediaIds[0]) assert.ok((await (await get(mediaIds[0], token)).arrayBuffer()).byteLength > 0);
    }
    assert.equal(new Set(page.msg_list.map(({ msgid }) => msgid)).size, messages.length);
  });

  it('sync_msg pages by cursor, limit and has_more; a cursor can be used again', async (t) => {
    const { receive, sync } = await setupService(t);
    const Token = [0, 1, 2, 3, 4].map(() => receive()).at(-1)!.fields.Token;
    const first = await sync({ token: Token, limit: 2 });
    const second = await sync({ token: Token, limit: 2, cursor: first.next_cursor });
    const third = await sync({ token: Token, limit: 2, cursor: second.next_cursor });
    assert.deepEqual(
      [first, second, third].map(({ msg_list, has_more }) => [msg_list.length, has_more]),
      [
        [2, 1],
        [2, 1],
        [1, 0],
      ],
    );
    assert.deepEqual(await sync({ token: Token, limit: 2, cursor: first.next_cursor }), second);
    const end = await sync({ token: Token, cursor: third.next_cursor });
    assert.deepEqual([end.msg_list, end.has_more, end.next_cursor], [[], 0, third.next_cursor]);
    receive();
    assert.equal((await sync({ token: Token, cursor: end.next_cursor })).msg_list.length, 1);
  });

  it('sync_msg lists one open_kfid where it is given, and nothing older than three days', async (t) => {
    const { receive, sync, pass, wecomToken } = await setupService(t);
    receive('text', 'wk1');
    const { Token } = receive('text', 'wk2').fields;
    const page = await sync({ token: Token, open_kfid: 'wk2' });
    assert.deepEqual(
      page.msg_list.map(({ open_kfid }) => open_kfid),
      ['wk2'],
    );
    pass(3 * 86_400_000);
    assert.deepEqual((await sync({}, await wecomToken())).msg_list, []);
  });

  it('a token older than ten minutes and foreign cursors, limits and access tokens are refused', async (t) => {
    const { receive, sync, pass, tokenOf, post } = await setupService(t);
    const { Token } = receive().fields;
    assert.equal((await sync({ token: Token, limit: 1001 })).errcode, 40058);
    assert.equal((await sync({ token: Token, voice_format: 2 })).errcode, 40058);
    assert.equal((await sync({ token: Token, cursor: 'mine' })).errcode, 40058);
    assert.equal((await sync({ token: 'mine' })).errcode, 95007);
    assert.equal((await sync({ token: Token }, 'nonsense')).errcode, 40014);
    assert.equal((await sync({ token: Token }, await tokenOf())).errcode, 40014);
    assert.equal(await errcodeOf(await post('/cgi-bin/kf/sync_msg', {})), 41001);
    pass(599_999);
    assert.equal((await sync({ token: Token })).errcode, 0);
    pass(1);
    assert.equal((await sync({ token: Token })).errcode, 95007);
  });

  it('calls without a token are limited to five a minute', async (t) => {
    const { receive, sync } = await setupService(t);
    const { Token } = receive().fields;
    for (let times = 0; times < 5; times++) assert.equal((await sync({})).errcode, 0);
    assert.equal((await sync({})).errcode, 45009);
    assert.equal((await sync({ token: Token })).errcode, 0);
  });
});
