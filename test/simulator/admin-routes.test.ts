import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ADMIN_ROUTES } from '../../src/simulator/admin-routes.ts';
import { RESPONSE_FAULT_NAMES } from '../../src/simulator/media/media-id.ts';
import { decrypt, openHandler, respondWith } from './callbacks/handler.ts';
import { ACCOUNT, COMPONENT, errcodeOf, setup, WECOM } from './setup.ts';

async function setupAdmin(t: TestContext) {
  const bundle = await setup(t);
  return {
    ...bundle,
    ask: async (name: string, body: unknown = {}) => {
      const response = await bundle.post(`/__simulator/${name}`, body);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
  };
}
const account = ACCOUNT.account;

describe('admin routes of the simulator', () => {
  it('GET names lists every fault and every route', async (t) => {
    const { simulator } = await setup(t);
    const names = (await (await fetch(`${simulator.url}/__simulator/names`)).json()) as Record<
      string,
      string[]
    >;
    assert.deepEqual(names.responseFaults, RESPONSE_FAULT_NAMES);
    assert.deepEqual(names.routes, Object.keys(ADMIN_ROUTES));
    for (const { description, parameters } of Object.values(ADMIN_ROUTES))
      assert.ok(description && parameters);
  });

  it('POST mint returns a media id that can be downloaded, with its digest', async (t) => {
    const { ask, get, tokenOf } = await setupAdmin(t);
    const fault = { name: 'errcode', amount: 48001, times: 1 };
    const { body } = await ask('mint', { account, kind: 'image', seed: 5, fault });
    const token = await tokenOf();
    assert.equal(await errcodeOf(await get(body.mediaId as string, token)), 48001);
    const bytes = await (await get(body.mediaId as string, token)).arrayBuffer();
    assert.equal(bytes.byteLength, body.sizeBytes);
    assert.match(body.picUrl as string, /^http:\/\/127\.0\.0\.1/);
  });

  it('an account fault begins, survives a reset of the quotas, and ends', async (t) => {
    const { ask, get, tokenOf } = await setupAdmin(t);
    const token = await tokenOf();
    const fault = { name: 'dayQuota', amount: 0 };
    assert.deepEqual((await ask('account-fault', { account, ...fault })).body.accountFaults, [fault]);
    assert.equal(await errcodeOf(await get('x', token)), 45009);
    assert.equal((await ask('reset-quotas', { account })).status, 200);
    assert.deepEqual((await ask('end-account-fault', { account, name: 'dayQuota' })).body.accountFaults, []);
    assert.equal(await errcodeOf(await get('x', token)), 40007);
  });

  it('POST handshake and POST send send callbacks in a chosen mode, format and pattern', async (t) => {
    const { ask, get, tokenOf } = await setupAdmin(t);
    const { url, received } = await openHandler(t, [
      (response, { query }) => response.end(query.get('echostr')),
      respondWith('success'),
    ]);
    assert.deepEqual((await ask('handshake', { account, url })).body, { accepted: true });
    const { body } = await ask('send', {
      account,
      url,
      format: 'json',
      mode: 'plain',
      pattern: 'redelivered',
      messages: [{ kind: 'image', seed: 1, fault: { name: 'reset', times: 1 } }],
    });
    const [[mediaId]] = body.mediaIds as [[string]];
    assert.equal(received.length, 3);
    assert.equal((JSON.parse(received[1]!.body) as { MediaId: string }).MediaId, mediaId);
    const token = await tokenOf();
    await assert.rejects(get(mediaId, token).then((response) => response.arrayBuffer()));
    assert.equal((await get(mediaId, token)).headers.get('content-type'), 'image/jpeg');
  });

  it('POST send-service, ticket and rotate-refresh-token serve WeCom and third-party platforms', async (t) => {
    const { ask, post, wecomToken, simulator } = await setupAdmin(t);
    const { url, received } = await openHandler(t, [respondWith('success')]);
    const messages = [{ kind: 'file', seed: 1 }];
    await ask('send-service', { account: WECOM.account, url, messages });
    const encrypted = /<Encrypt><!\[CDATA\[(.*?)\]\]>/.exec(received[0]!.body)![1]!;
    const token = /<Token><!\[CDATA\[(.*?)\]\]>/.exec(decrypt(encrypted, WECOM.encodingAesKey).message)![1];
    const page = await post(`/cgi-bin/kf/sync_msg?access_token=${await wecomToken()}`, { token });
    assert.equal(((await page.json()) as { msg_list: unknown[] }).msg_list.length, 1);
    assert.equal((await ask('ticket', { account, component: COMPONENT.appId, url })).body.accepted, true);
    const { refreshToken } = (await ask('rotate-refresh-token', { account })).body;
    assert.equal(refreshToken, simulator.components.refreshToken(account));
  });

  it('an invalid body gets 400 with an explanation', async (t) => {
    const { ask } = await setupAdmin(t);
    for (const [name, body] of [
      ['account-wide-fault', { account, fault: { name: 'reset', times: 256 } }],
      ['account-wide-fault', { account, fault: { name: 'reset', amount: 2 ** 31 } }],
      ['account-fault', { account, name: 'nonsense' }],
      ['account-fault', { account, name: 'rateLimit', amont: 3 }],
      ['end-account-fault', { account: 'wx9' }],
      ['mint', { account, kind: 'image', seed: -1 }],
      ['mint', { account, kind: 'image', seed: 1, sizeBytes: 64 * 2 ** 20 }],
      ['send', { account, url: 'file:///etc/passwd', messages: [{ kind: 'text', seed: 1 }] }],
      ['send', { account, url: 'http://127.0.0.1:1/', messages: [] }],
      ['ticket', { account, component: 'wx9', url: 'http://127.0.0.1:1/' }],
    ] as const) {
      const { status, body: response } = await ask(name, body);
      assert.equal(status, 400, `${name} ${JSON.stringify(body)}`);
      assert.ok(response.error);
    }
  });
});
