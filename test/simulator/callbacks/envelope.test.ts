import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { describe, it } from 'node:test';
import { encryptMessage, signatureOf } from '../../../src/simulator/callbacks/envelope.ts';

// The vectors of WeChat's guide to message push and encryption.
const KEY = 'A'.repeat(43);
const APP_ID = 'wxba5fad812f8e6fb9';

describe('the envelope of callbacks', () => {
  it('a handshake is signed as in the official vector', () => {
    assert.equal(
      signatureOf('AAAAA', '1714036504', '1514711492'),
      'f464b24fc39322e44b38aa78f5edd27bd1441696',
    );
  });

  it('a plain message is signed as in the official vector', () => {
    assert.equal(signatureOf('AAAAA', '1714037059', '486452656'), '899cf89e464efb63f54ddac96b0a0a235f53aa78');
  });

  it('a message in safe mode is encrypted and signed as in the official vector', () => {
    const message =
      '{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}';
    const encrypted = encryptMessage(message, {
      encodingAesKey: KEY,
      appId: APP_ID,
      random: Buffer.from('a8eedb185eb2fecf'),
    });
    assert.equal(
      encrypted,
      '+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=',
    );
    assert.equal(signatureOf('AAAAA', '1714112445', '415670741'), '6c5c811b55cc85e0e1b54100749188c20beb3f5d');
    assert.equal(
      signatureOf('AAAAA', '1714112445', '415670741', encrypted),
      '046e02f8204d34f8ba5fa3b1db94908f3df2e9b3',
    );
  });

  it('a short message is padded to a block of 32 as in the official vector', () => {
    const encrypted = encryptMessage('{"demo_resp":"good luck"}', {
      encodingAesKey: KEY,
      appId: APP_ID,
      random: Buffer.from('707722b803182950'),
    });
    assert.equal(
      encrypted,
      'ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==',
    );
    assert.equal(
      signatureOf('AAAAA', '1713424427', '415670741', encrypted),
      '1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1',
    );
  });

  it('the length of Chinese text is in bytes', () => {
    const encrypted = encryptMessage('我是中文abcd123', {
      encodingAesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
      appId: 'wxb11529c136998cb6',
      random: Buffer.from('aaaabbbbccccdddd'),
    });
    assert.equal(
      encrypted,
      'jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==',
    );
  });

  it('the same message is encrypted differently each time', () => {
    const options = { encodingAesKey: KEY, appId: APP_ID };
    const [one, two] = [encryptMessage('again', options), encryptMessage('again', options)];
    assert.notEqual(one, two);
    const key = Buffer.from(`${KEY}=`, 'base64');
    const cipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
    const plain = Buffer.concat([cipher.update(one, 'base64'), cipher.final()]);
    assert.equal(
      plain.subarray(16, 16 + 4 + 5 + APP_ID.length).toString('latin1'),
      `\0\0\0\u0005again${APP_ID}`,
    );
  });
});
