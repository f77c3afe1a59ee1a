/** The official vectors of WeChat's documentation for signature and encryption, and the sending side built on them. */
import { createCipheriv } from 'node:crypto';
import type { Account } from '../../../src/account.ts';
import { signatureOf } from '../../../src/wechat/callback/signature.ts';

export const AES_KEY = 'A'.repeat(43);
export const APP_ID = 'wxba5fad812f8e6fb9';

export const SAFE_MODE = {
  token: 'AAAAA',
  timestamp: '1714112445',
  nonce: '415670741',
  signature: '6c5c811b55cc85e0e1b54100749188c20beb3f5d',
  msgSignature: '046e02f8204d34f8ba5fa3b1db94908f3df2e9b3',
  encrypted:
    '+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=',
  message:
    '{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}',
};

export const account = (more: Partial<Account> = {}): Account => ({
  account: APP_ID,
  product: 'official',
  appId: APP_ID,
  secret: 'a-secret-of-32-characters-or-such',
  token: 'AAAAA',
  encodingAesKey: AES_KEY,
  requireEncryption: false,
  concurrency: 4,
  ...more,
});

/** What WeChat does with a message in safe mode. `random` is 16 characters. */
export function encrypt(message: string, aesKey: string, appId: string, random = '0123456789abcdef'): string {
  const key = Buffer.from(`${aesKey}=`, 'base64');
  const text = Buffer.from(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  const plain = Buffer.concat([Buffer.from(random), length, text, Buffer.from(appId)]);
  const pad = 32 - (plain.length % 32);
  return encryptRaw(Buffer.concat([plain, Buffer.alloc(pad, pad)]), key);
}

/** Encrypts bytes as they are: for plaintexts no honest sender makes. The length must be a multiple of 16. */
export function encryptRaw(padded: Buffer, key: Buffer): string {
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
  return Buffer.concat([cipher.update(padded), cipher.final()]).toString('base64');
}

export const NOW = new Date('2024-04-26T06:20:45Z');
const NONCE = '415670741';

export function plainQuery(token = 'AAAAA', at = NOW) {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  return { timestamp, nonce: NONCE, signature: signatureOf([token, timestamp, NONCE]) };
}

export function encryptedQuery(encrypted: string, token = 'AAAAA', at = NOW) {
  const plain = plainQuery(token, at);
  const msg_signature = signatureOf([token, plain.timestamp, NONCE, encrypted]);
  return { ...plain, encrypt_type: 'aes', msg_signature };
}

export const xml = (fields: Record<string, string>): string =>
  `<xml>${Object.entries(fields)
    .map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`)
    .join('\n')}</xml>`;
