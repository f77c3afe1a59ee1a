/** A callback of WeChat as its documentation shows it: signature, AES, and the fields of the XML. */
import { createDecipheriv, createHash } from 'node:crypto';

export interface NaiveAccount {
  readonly account: string;
  readonly product: string;
  readonly appId: string;
  readonly secret: string;
  readonly token: string;
  readonly encodingAesKey: string;
}

const field = (xml: string, name: string): string | undefined =>
  new RegExp(`<${name}>(?:<!\\[CDATA\\[)?([^<\\]]*)`).exec(xml)?.[1];

function decrypt(encrypted: string, encodingAesKey: string): string {
  const key = Buffer.from(`${encodingAesKey}=`, 'base64');
  const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(encrypted, 'base64'), decipher.final()]);
  return plain.toString('utf8', 20, 20 + plain.readUInt32BE(16));
}

/** The media ids of a message; throws where the signature is wrong. */
export function mediaIdsOf(account: NaiveAccount, query: URLSearchParams, body: string): string[] {
  const encrypted = field(body, 'Encrypt') ?? '';
  const signed = [account.token, query.get('timestamp'), query.get('nonce'), encrypted].sort().join('');
  if (createHash('sha1').update(signed).digest('hex') !== query.get('msg_signature'))
    throw new Error('wrong signature');
  const xml = decrypt(encrypted, account.encodingAesKey);
  return [field(xml, 'MediaId'), field(xml, 'ThumbMediaId')].filter((id) => id !== undefined);
}
