import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Account } from '../../../src/account.ts';
import { readCallback } from '../../../src/wechat/callback/read-callback.ts';
import { AES_KEY, account, encrypt, encryptedQuery, NOW, plainQuery, xml } from './vectors.ts';

const CORP = account({ account: 'ww1-2', appId: 'ww1', product: 'wecom', requireEncryption: true });
const PLATFORM = account({ tokenSource: { type: 'component', componentAppId: 'wxcomponent' } });

function readEncrypted(who: Account, tail: string, message: string) {
  const encrypted = encrypt(message, AES_KEY, tail);
  const { signature: _, ...query } = encryptedQuery(encrypted);
  const body = Buffer.from(xml({ ToUserName: tail, AgentID: '2', Encrypt: encrypted }));
  return readCallback(who, { query, body, now: NOW });
}

test('a file message to a WeCom application is read with its media id', () => {
  const fields = { FromUserName: 'user', CreateTime: '1714112445', MsgId: '1', AgentID: '2' };
  for (const kind of ['image', 'voice', 'video', 'file']) {
    const result = readEncrypted(CORP, 'ww1', xml({ ...fields, MsgType: kind, MediaId: 'm' }));
    assert.ok(result.kind === 'media', kind);
    const [reference] = result.references;
    assert.deepEqual([reference?.account, reference?.kind, reference?.mediaId], ['ww1-2', kind, 'm']);
  }
});

test('an event of customer service leads to a sync for WeCom only', () => {
  const event = xml({ MsgType: 'event', Event: 'kf_msg_or_event', Token: 'T', OpenKfId: 'wk1' });
  assert.deepEqual(readEncrypted(CORP, 'ww1', event), {
    kind: 'sync',
    messageType: 'event',
    token: 'T',
    openKfId: 'wk1',
  });
  assert.deepEqual(readEncrypted(account(), account().appId, event), {
    kind: 'ignored',
    messageType: 'event',
  });
});

test('a WeCom callback without encryption or of another corporation is refused with the reason', () => {
  const plain = { query: plainQuery(), body: Buffer.from(xml({ MsgType: 'image', MediaId: 'm' })), now: NOW };
  const codeOf = (result: ReturnType<typeof readCallback>) =>
    result.kind === 'refused' ? result.code : result.kind;
  assert.equal(codeOf(readCallback(CORP, plain)), 'encryption_required');
  assert.equal(codeOf(readEncrypted(CORP, 'ww2', xml({ MsgType: 'image', MediaId: 'm' }))), 'cannot_decrypt');
  assert.equal(codeOf(readEncrypted(CORP, 'ww1', '<xml><MsgType>')), 'malformed_message');
});

test("the ticket of a third-party platform is accepted only from an encrypted push with the platform's id", () => {
  const push = xml({
    AppId: 'wxcomponent',
    InfoType: 'component_verify_ticket',
    ComponentVerifyTicket: 'ticket@@@1',
  });
  assert.deepEqual(readEncrypted(PLATFORM, 'wxcomponent', push), {
    kind: 'ticket',
    messageType: 'component_verify_ticket',
    ticket: 'ticket@@@1',
  });
  const foreign = readEncrypted(PLATFORM, PLATFORM.appId, push);
  assert.ok(foreign.kind === 'refused' && foreign.code === 'cannot_decrypt');
  const plain = readCallback(PLATFORM, { query: plainQuery(), body: Buffer.from(push), now: NOW });
  assert.equal(plain.kind, 'ignored');
  assert.equal(readEncrypted(PLATFORM, 'wxcomponent', xml({ InfoType: 'unauthorized' })).kind, 'ignored');
});

test('customer-service messages of a mini program are read as JSON and XML', () => {
  const mini = account({ product: 'miniprogram' });
  const read = (body: string) =>
    readCallback(mini, { query: plainQuery(), body: Buffer.from(body), now: NOW });
  const fields = { FromUserName: 'o1', MsgType: 'image', MediaId: 'm', MsgId: '1' };
  assert.deepEqual(read(JSON.stringify(fields)), read(xml(fields)));
  assert.equal(read(JSON.stringify(fields)).kind, 'media');
  assert.equal(read('{"MsgType":"event","Event":"user_enter_tempsession"}').kind, 'ignored');
});
