/** An image message, and callbacks in plain and in safe mode. */
import type { Account } from '../../../src/account.ts';
import { type CallbackResult, readCallback } from '../../../src/wechat/callback/read-callback.ts';
import { AES_KEY, APP_ID, account, encrypt, encryptedQuery, NOW, plainQuery, xml } from './vectors.ts';

export const IMAGE = {
  ToUserName: 'gh_99f283298ae1',
  FromUserName: 'oLLBW0XYtUuoz9UpmSixw0LEBfVI',
  CreateTime: '1592580109',
  MsgType: 'image',
  PicUrl: 'http://mmbiz.qpic.cn/mmbiz_jpg/6UjvUNl74I1Wejjed/0',
  MsgId: '22800264023876468',
  MediaId: 'rO_na_kQ0woyaOOvZyXigWb_7L-AY6OIHfDlWe_qQ1aO5lCWyE0HDaYxFhFlg4F-',
};
export const COMMON = {
  account: APP_ID,
  openId: IMAGE.FromUserName,
  msgId: IMAGE.MsgId,
  sentAt: new Date('2020-06-19T15:21:49Z'),
};

export const plain = (body: string, more: Partial<Account> = {}): CallbackResult =>
  readCallback(account(more), { query: plainQuery(), body: Buffer.from(body), now: NOW });

export const safe = (message: string, more: Partial<Account> = {}, key = AES_KEY): CallbackResult => {
  const encrypted = encrypt(message, key, APP_ID);
  const body = Buffer.from(xml({ ToUserName: 'gh_99f283298ae1', Encrypt: encrypted }));
  return readCallback(account(more), { query: encryptedQuery(encrypted), body, now: NOW });
};

export const outcomeOf = (result: CallbackResult) =>
  result.kind === 'refused' ? `${result.status} ${result.code}` : result.kind;
