import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ADMIN_ROUTES } from '../../src/simulator/admin-routes.ts';
import { BEHAVIOUR_NAMES } from '../../src/simulator/media/media-id.ts';
import { openHandler, say, unseal } from './callbacks/handler.ts';
import { ACCOUNT, COMPONENT, errcodeOf, setup, WECOM } from './setup.ts';

async function setupAdmin(t: TestContext) {
  const bundle = await setup(t);
  return {
    ...bundle,
    ask: async (name: string, body: unknown = {}) => {
      const answer = await bundle.post(`/__simulator/${name}`, body);
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
  };
}
const account = ACCOUNT.account;

describe('routes of the simulator that WeChat does not have', () => {
  it('say what they take, and what there is', async (t) => {
    const { simulator } = await setup(t);
    const names = (await (await fetch(`${simulator.url}/__simulator/names`)).json()) as Record<
      string,
      string[]
    >;
    assert.deepEqual(names.behaviours, BEHAVIOUR_NAMES);
    assert.deepEqual(names.routes, Object.keys(ADMIN_ROUTES));
    for (const { says, takes } of Object.values(ADMIN_ROUTES)) assert.ok(says && takes);
  });

  it('mint: an id that can be fetched, with its digest', async (t) => {
    const { ask, get, tokenOf } = await setupAdmin(t);
    const behaviour = { name: 'errcode', amount: 48001, times: 1 };
    const { body } = await ask('mint', { account, kind: 'image', seed: 5, behaviour });
    const token = await tokenOf();
    assert.equal(await errcodeOf(await get(body.mediaId as string, token)), 48001);
    const bytes = await (await get(body.mediaId as string, token)).arrayBuffer();
    assert.equal(bytes.byteLength, body.sizeBytes);
    assert.match(body.picUrl as string, /^http:\/\/127\.0\.0\.1/);
  });

  it('trouble, heal, midnight', async (t) => {
    const { ask, get, tokenOf } = await setupAdmin(t);
    const token = await tokenOf();
    const trouble = { name: 'dayQuota', amount: 0 };
    assert.deepEqual((await ask('trouble', { account, ...trouble })).body.troubles, [trouble]);
    assert.equal(await errcodeOf(await get('x', token)), 45009);
    assert.equal((await ask('midnight', { account })).status, 200);
    assert.deepEqual((await ask('heal', { account, name: 'dayQuota' })).body.troubles, []);
    assert.equal(await errcodeOf(await get('x', token)), 40007);
  });

  it('handshake and send: callbacks to a service, in any mode, format and order', async (t) => {
    const { ask, get, tokenOf } = await setupAdmin(t);
    const { url, received } = await openHandler(t, [
      (response, { query }) => response.end(query.get('echostr')),
      say('success'),
    ]);
    assert.deepEqual((await ask('handshake', { account, url })).body, { accepted: true });
    const { body } = await ask('send', {
      account,
      url,
      format: 'json',
      mode: 'plain',
      how: 'redelivered',
      messages: [{ kind: 'image', seed: 1, behaviour: { name: 'reset', times: 1 } }],
    });
    const [[mediaId]] = body.mediaIds as [[string]];
    assert.equal(received.length, 3);
    assert.equal((JSON.parse(received[1]!.body) as { MediaId: string }).MediaId, mediaId);
    const token = await tokenOf();
    await assert.rejects(get(mediaId, token).then((answer) => answer.arrayBuffer()));
    assert.equal((await get(mediaId, token)).headers.get('content-type'), 'image/jpeg');
  });

  it('send-service, ticket, rotate: for WeCom and for platforms', async (t) => {
    const { ask, post, wecomToken, simulator } = await setupAdmin(t);
    const { url, received } = await openHandler(t, [say('success')]);
    const messages = [{ kind: 'file', seed: 1 }];
    await ask('send-service', { account: WECOM.account, url, messages });
    const encrypted = /<Encrypt><!\[CDATA\[(.*?)\]\]>/.exec(received[0]!.body)![1]!;
    const token = /<Token><!\[CDATA\[(.*?)\]\]>/.exec(unseal(encrypted, WECOM.encodingAesKey).message)![1];
    const page = await post(`/cgi-bin/kf/sync_msg?access_token=${await wecomToken()}`, { token });
    assert.equal(((await page.json()) as { msg_list: unknown[] }).msg_list.length, 1);
    assert.equal((await ask('ticket', { account, component: COMPONENT.appId, url })).body.accepted, true);
    const { refreshToken } = (await ask('rotate', { account })).body;
    assert.equal(refreshToken, simulator.components.refreshToken(account));
  });

  it('refuse with a sentence what they do not understand', async (t) => {
    const { ask } = await setupAdmin(t);
    for (const [name, body] of [
      ['misbehave', { account, behaviour: { name: 'reset', times: 256 } }],
      ['misbehave', { account, behaviour: { name: 'reset', amount: 2 ** 31 } }],
      ['trouble', { account, name: 'nonsense' }],
      ['trouble', { account, name: 'burst', amont: 3 }],
      ['heal', { account: 'wx9' }],
      ['mint', { account, kind: 'image', seed: -1 }],
      ['mint', { account, kind: 'image', seed: 1, sizeBytes: 64 * 2 ** 20 }],
      ['send', { account, url: 'file:///etc/passwd', messages: [{ kind: 'text', seed: 1 }] }],
      ['send', { account, url: 'http://127.0.0.1:1/', messages: [] }],
      ['ticket', { account, component: 'wx9', url: 'http://127.0.0.1:1/' }],
    ] as const) {
      const { status, body: answer } = await ask(name, body);
      assert.equal(status, 400, `${name} ${JSON.stringify(body)}`);
      assert.ok(answer.error);
    }
  });
});
