import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { signatureOf } from '../../../src/simulator/callbacks/envelope.ts';
import { toJson, toXml } from '../../../src/simulator/callbacks/message-text.ts';
import { composeMessage, type MESSAGE_KINDS, openIdOf } from '../../../src/simulator/callbacks/messages.ts';
import { signMessage } from '../../../src/simulator/callbacks/signing.ts';
import { ACCOUNT, setup } from '../setup.ts';
import { decrypt, fieldOf, type Received, respondWith, setupCallbacks, silence } from './handler.ts';

describe('messages', () => {
  it('messages have the fields of their type, and media ids that can be downloaded', async (t) => {
    const { simulator } = await setup(t);
    const fieldsOf = (kind: (typeof MESSAGE_KINDS)[number]) => {
      const spec = { account: ACCOUNT.account, kind, seed: 1, with16k: true };
      return Object.keys(composeMessage(simulator, spec).fields).slice(4).join(' ');
    };
    assert.equal(fieldsOf('image'), 'PicUrl MediaId MsgId');
    assert.equal(fieldsOf('voice'), 'MediaId Format Recognition MediaId16K MsgId');
    assert.equal(fieldsOf('video'), 'MediaId ThumbMediaId MsgId');
    assert.equal(fieldsOf('shortvideo'), 'MediaId ThumbMediaId MsgId');
    assert.equal(fieldsOf('file'), 'Title Description FileKey FileMd5 FileTotalLen MsgId');
    assert.equal(fieldsOf('text'), 'Content MsgId');
    assert.equal(fieldsOf('event'), 'Event EventKey');
    const spoken = { account: ACCOUNT.account, kind: 'voice', seed: 1, recognition: '你好' } as const;
    assert.equal(composeMessage(simulator, spoken).fields.Recognition, '你好');
    const video = composeMessage(simulator, { account: ACCOUNT.account, kind: 'video', seed: 1 });
    assert.equal(video.mediaIds.length, 2);
    for (const mediaId of video.mediaIds) assert.ok(await simulator.digestOf(ACCOUNT.account, mediaId));
  });

  it('messages are written with CDATA, bare numbers, and a MsgId of 64 bits', async (t) => {
    const { simulator } = await setup(t);
    const spec = {
      account: ACCOUNT.account,
      kind: 'text',
      seed: 1,
      msgId: 6_074_746_557_628_292_943n,
    } as const;
    const { fields } = composeMessage(simulator, { ...spec, text: 'a ]]> b' });
    const xml = toXml(fields);
    assert.match(xml, /^<xml>\n<ToUserName><!\[CDATA\[gh_[0-9a-f]{12}\]\]><\/ToUserName>\n<FromUserName>/);
    assert.match(xml, /<CreateTime>1793865600<\/CreateTime>/);
    assert.match(xml, /<MsgId>6074746557628292943<\/MsgId>/);
    assert.match(xml, /<Content><!\[CDATA\[a \]\]\]\]><!\[CDATA\[> b\]\]><\/Content>/);
    assert.match(toJson(fields), /"MsgId":6074746557628292943/);
    assert.equal((JSON.parse(toJson(fields)) as { Content: string }).Content, 'a ]]> b');
  });

  it('openids have 28 characters and contain the nickname', () => {
    assert.match(openIdOf('LiLei'), /^oLiLei_[\w-]{21}$/);
  });
});

describe('callbacks', () => {
  it('plain callbacks are signed over token, timestamp and nonce, with the message in clear', async (t) => {
    const { callbacks, image, received, signal, clock } = await setupCallbacks(t, [respondWith('success')], {
      mode: 'plain',
    });
    assert.deepEqual(await callbacks.send(image, signal), { accepted: true, statuses: [200] });
    const { query, body, method } = received[0]!;
    assert.equal(method, 'POST');
    assert.equal(query.get('own'), '1', 'what the URL had before is kept');
    assert.equal(query.get('timestamp'), String(Math.floor(clock.now().getTime() / 1000)));
    assert.equal(
      query.get('signature'),
      signatureOf(ACCOUNT.token, query.get('timestamp')!, query.get('nonce')!),
    );
    assert.equal(query.get('encrypt_type'), null);
    assert.equal(query.get('openid'), image.fields.FromUserName);
    assert.equal(fieldOf(body, 'MediaId'), image.mediaIds[0]);
  });

  it('safe callbacks contain only the encrypted message, compatible ones both', async (t) => {
    const { simulator } = await setup(t);
    const image = composeMessage(simulator, { account: ACCOUNT.account, kind: 'image', seed: 1 });
    for (const mode of ['safe', 'compatible'] as const) {
      const options = {
        account: ACCOUNT,
        mode,
        format: 'xml',
        timestamp: '1714112445',
        nonce: '415670741',
      } as const;
      const { query, body } = signMessage(image, options);
      const encrypted = fieldOf(body, 'Encrypt')!;
      assert.equal(query.encrypt_type, 'aes');
      assert.equal(query.msg_signature, signatureOf(ACCOUNT.token, '1714112445', '415670741', encrypted));
      assert.equal(fieldOf(body, 'MediaId'), mode === 'safe' ? undefined : image.mediaIds[0]);
      assert.equal(fieldOf(body, 'ToUserName'), image.fields.ToUserName);
      assert.deepEqual(decrypt(encrypted, ACCOUNT.encodingAesKey), {
        message: toXml(image.fields),
        tail: ACCOUNT.appId,
      });
    }
  });

  it('a callback is sent three times in all while the response is not success', async (t) => {
    const refusals = [respondWith('', 503), respondWith('{"ok":true}'), respondWith('success')];
    const { callbacks, image, received, signal, simulator, pauses } = await setupCallbacks(t, refusals);
    assert.deepEqual(await callbacks.send(image, signal), { accepted: true, statuses: [503, 200, 200] });
    assert.equal(received.length, 3);
    assert.deepEqual(pauses, [1000, 1000]);
    const report = simulator.requestLog.report();
    assert.equal(report.media[image.mediaIds[0]!]!.callbacks, 3);
    assert.equal(report.totals.callbacksAccepted, 1);
  });

  it('a callback is lost after the third attempt', async (t) => {
    const { callbacks, image, received, signal, simulator } = await setupCallbacks(t, [
      respondWith('no', 500),
    ]);
    assert.deepEqual(await callbacks.send(image, signal), { accepted: false, statuses: [500, 500, 500] });
    assert.equal(received.length, 3);
    assert.equal(simulator.requestLog.report().totals.callbacksLost, 1);
  });

  it('an attempt ends at the timeout, and an empty body counts as success', async (t) => {
    const { callbacks, image, signal } = await setupCallbacks(t, [silence, respondWith('')], {
      timeoutMs: 80,
    });
    assert.deepEqual(await callbacks.send(image, signal), { accepted: true, statuses: [0, 200] });
  });

  it('an accepted callback can be sent twice', async (t) => {
    const { callbacks, image, received, signal } = await setupCallbacks(t, [respondWith('success')], {
      mode: 'plain',
    });
    assert.deepEqual(await callbacks.send(image, signal, { twice: true }), {
      accepted: true,
      statuses: [200, 200],
    });
    assert.equal(received[0]!.body, received[1]!.body);
  });

  it('callbacks stop at once when aborted', async (t) => {
    const controller = new AbortController();
    const { callbacks, image } = await setupCallbacks(t, [() => controller.abort(new Error('closing'))]);
    await assert.rejects(callbacks.send(image, controller.signal), /closing/);
  });

  it('the handshake expects its echostr back', async (t) => {
    const echo = (response: ServerResponse, { query }: Received) => response.end(query.get('echostr'));
    const { callbacks, received, signal } = await setupCallbacks(t, [echo, respondWith('something else')]);
    assert.equal(await callbacks.sendHandshake(signal), true);
    assert.equal(await callbacks.sendHandshake(signal), false);
    const { query, method } = received[0]!;
    assert.equal(method, 'GET');
    assert.equal(
      query.get('signature'),
      signatureOf(ACCOUNT.token, query.get('timestamp')!, query.get('nonce')!),
    );
  });
});
