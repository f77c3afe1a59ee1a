import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signatureOf } from '../../../src/simulator/callbacks/envelope.ts';
import { EVENTS } from '../../../src/simulator/callbacks/events.ts';
import { toJson, toXml } from '../../../src/simulator/callbacks/message-text.ts';
import { composeMessage, type MessageSpec } from '../../../src/simulator/callbacks/messages.ts';
import { composeTicket } from '../../../src/simulator/callbacks/service-messages.ts';
import { ACCOUNT, COMPONENT, setup, WECOM } from '../setup.ts';
import { decrypt, fieldOf, respondWith, setupCallbacks } from './handler.ts';

type Responder = Parameters<typeof setupCallbacks>[1][number];

describe('callbacks of WeCom', () => {
  it('callbacks of WeCom are encrypted for the corp, contain their AgentID, and are signed only by msg_signature', async (t) => {
    const { simulator, callbacks, received, signal } = await setupCallbacks(t, [respondWith('success')], {
      account: WECOM,
      mode: 'plain',
      format: 'json',
    });
    const image = composeMessage(simulator, { account: WECOM.account, kind: 'image', seed: 1 });
    assert.equal((await callbacks.send(image, signal)).accepted, true);
    const { query, body } = received[0]!;
    assert.deepEqual([...query.keys()].sort(), ['msg_signature', 'nonce', 'own', 'timestamp']);
    const encrypted = fieldOf(body, 'Encrypt')!;
    const parts = [WECOM.token, query.get('timestamp')!, query.get('nonce')!, encrypted];
    assert.equal(query.get('msg_signature'), signatureOf(...parts));
    assert.equal(fieldOf(body, 'ToUserName'), 'wwcorp');
    assert.equal(fieldOf(body, 'AgentID'), '1000002');
    const { message, tail } = decrypt(encrypted, WECOM.encodingAesKey);
    assert.equal(tail, 'wwcorp');
    assert.equal(fieldOf(message, 'ToUserName'), 'wwcorp');
    assert.equal(fieldOf(message, 'FromUserName'), 'XiaoMing');
    assert.equal(fieldOf(message, 'AgentID'), '1000002');
    assert.equal(fieldOf(message, 'MediaId'), image.mediaIds[0]);
  });

  it('the handshake of WeCom encrypts its echostr and expects it decrypted', async (t) => {
    const decrypted: Responder = (response, { query }) =>
      response.end(decrypt(query.get('echostr')!, WECOM.encodingAesKey).message);
    const unchanged: Responder = (response, { query }) => response.end(query.get('echostr'));
    const { callbacks, received, signal } = await setupCallbacks(t, [decrypted, unchanged], {
      account: WECOM,
    });
    assert.equal(await callbacks.sendHandshake(signal), true);
    assert.equal(await callbacks.sendHandshake(signal), false);
    const { query } = received[0]!;
    assert.equal(query.get('signature'), null);
    const parts = ['timestamp', 'nonce', 'echostr'].map((name) => query.get(name)!);
    assert.equal(query.get('msg_signature'), signatureOf(WECOM.token, ...parts));
  });
});

describe('callbacks of a third-party platform', () => {
  it('callbacks through a platform are encrypted and signed by the platform, not by the account', async (t) => {
    const { callbacks, image, received, signal } = await setupCallbacks(t, [respondWith('success')], {
      component: COMPONENT,
    });
    await callbacks.send(image, signal);
    const { query, body } = received[0]!;
    const encrypted = fieldOf(body, 'Encrypt')!;
    const parts = [COMPONENT.token, query.get('timestamp')!, query.get('nonce')!, encrypted];
    assert.equal(query.get('msg_signature'), signatureOf(...parts));
    assert.equal(decrypt(encrypted, COMPONENT.encodingAesKey).tail, COMPONENT.appId);
  });

  it('a platform gets its ticket', async (t) => {
    const { callbacks, simulator, received, signal } = await setupCallbacks(t, [respondWith('success')], {
      component: COMPONENT,
    });
    await callbacks.send(composeTicket(simulator, COMPONENT.appId), signal);
    const { query, body } = received[0]!;
    assert.equal(query.get('openid'), null);
    assert.equal(fieldOf(body, 'AppId'), COMPONENT.appId);
    const { message } = decrypt(fieldOf(body, 'Encrypt')!, COMPONENT.encodingAesKey);
    assert.equal(fieldOf(message, 'InfoType'), 'component_verify_ticket');
    assert.equal(fieldOf(message, 'ComponentVerifyTicket'), simulator.components.ticket(COMPONENT.appId));
    assert.throws(() => composeTicket(simulator, 'wx9'), RangeError);
  });
});

describe('the clock of WeChat', () => {
  it('the clock of WeChat can be ahead', async (t) => {
    const { callbacks, image, received, signal, clock } = await setupCallbacks(t, [respondWith('success')], {
      skewMs: 3_600_000,
    });
    await callbacks.send(image, signal);
    const seconds = Math.floor(clock.now().getTime() / 1000);
    assert.equal(received[0]!.query.get('timestamp'), String(seconds + 3600));
  });
});

describe('unusual messages', () => {
  it('a message can be JSON, as for a mini program', async (t) => {
    const { callbacks, image, received, signal } = await setupCallbacks(t, [respondWith('success')], {
      format: 'json',
      mode: 'safe',
    });
    await callbacks.send(image, signal);
    const outer = JSON.parse(received[0]!.body) as Record<string, string>;
    assert.deepEqual(Object.keys(outer), ['ToUserName', 'Encrypt']);
    assert.equal(decrypt(outer.Encrypt!, ACCOUNT.encodingAesKey).message, toJson(image.fields));
  });

  it('events can contain lists, a MsgType can be undocumented, and a message can come from an article', async (t) => {
    const { simulator } = await setup(t);
    const fieldsOf = (spec: Pick<MessageSpec, 'kind'> & Partial<MessageSpec>) =>
      composeMessage(simulator, { account: ACCOUNT.account, seed: 1, ...spec }).fields;
    for (const name of Object.keys(EVENTS)) assert.equal(fieldsOf({ kind: 'event', text: name }).Event, name);
    const photos = fieldsOf({ kind: 'event', text: 'pic_weixin' });
    assert.match(
      toXml(photos),
      /<SendPicsInfo><Count>1<\/Count><PicList><item><PicMd5Sum><!\[CDATA\[[0-9a-f]{32}\]\]><\/PicMd5Sum><\/item><\/PicList>/,
    );
    const parsed = JSON.parse(toJson(photos)) as { SendPicsInfo: { PicList: unknown[] } };
    assert.equal(parsed.SendPicsInfo.PicList.length, 1);
    assert.equal(fieldsOf({ kind: 'undocumented' }).MsgType, 'hologram');
    const article = fieldsOf({ kind: 'image', fromArticle: true });
    assert.deepEqual(Object.keys(article).slice(-3), ['MsgId', 'MsgDataId', 'Idx']);
    assert.ok(fieldsOf({ kind: 'miniprogrampage' }).ThumbMediaId);
    for (const kind of ['location', 'link'] as const)
      assert.deepEqual(composeMessage(simulator, { account: ACCOUNT.account, kind, seed: 1 }).mediaIds, []);
  });
});
