/** Turns a message into the query and body of a callback request, signed and encrypted. */
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import { encryptMessage, signatureOf } from './envelope.ts';
import { type Fields, toJson, toXml } from './message-text.ts';
import { agentIdOf, type Message } from './messages.ts';

/** Compatible bodies have the plain fields and the encrypted copy. */
export const CALLBACK_MODES = ['plain', 'compatible', 'safe'] as const;
export type CallbackMode = (typeof CALLBACK_MODES)[number];
export const CALLBACK_FORMATS = ['xml', 'json'] as const;
export type CallbackFormat = (typeof CALLBACK_FORMATS)[number];

/** The owner of the token and key: the account itself, or the third-party platform that it authorised. */
export type Signer = Pick<SimulatedAccount, 'appId' | 'token' | 'encodingAesKey'> &
  Partial<Pick<SimulatedAccount, 'account' | 'product'>>;

export interface SignedRequest {
  readonly query: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Stamp {
  /** In seconds. */
  readonly timestamp: string;
  readonly nonce: string;
  /** 16 bytes; only tests set it. */
  readonly random?: Buffer;
}

function encrypt(text: string, signer: Signer, random?: Buffer): string {
  const { encodingAesKey, appId } = signer;
  if (!encodingAesKey) throw new RangeError(`${signer.account ?? appId} has no EncodingAESKey`);
  return encryptMessage(text, { encodingAesKey, appId, ...(random && { random }) });
}

/** Returns query and body of one callback. WeCom has only the safe mode, and signs only with msg_signature. */
export function signMessage(
  message: Pick<Message, 'fields'>,
  options: Stamp & { account: Signer; mode: CallbackMode; format: CallbackFormat },
): SignedRequest {
  const { account, mode, timestamp, nonce } = options;
  const write = options.format === 'xml' ? toXml : toJson;
  const { fields } = message;
  if (account.product === 'wecom') {
    const Encrypt = encrypt(toXml(fields), account, options.random);
    const outer = {
      ToUserName: account.appId,
      Encrypt,
      AgentID: agentIdOf({ account: account.account ?? '', appId: account.appId }),
    };
    return {
      query: { msg_signature: signatureOf(account.token, timestamp, nonce, Encrypt), timestamp, nonce },
      body: toXml(outer),
    };
  }
  const openId = fields.FromUserName;
  const query = {
    signature: signatureOf(account.token, timestamp, nonce),
    timestamp,
    nonce,
    ...(typeof openId === 'string' && { openid: openId }),
  };
  if (mode === 'plain') return { query, body: write(fields) };
  const Encrypt = encrypt(write(fields), account, options.random);
  // The first field stays in clear: ToUserName, or AppId in the events of a platform.
  const outer: Fields = mode === 'safe' ? Object.fromEntries(Object.entries(fields).slice(0, 1)) : fields;
  return {
    query: {
      ...query,
      encrypt_type: 'aes',
      msg_signature: signatureOf(account.token, timestamp, nonce, Encrypt),
    },
    body: write({ ...outer, Encrypt }),
  };
}

/** Returns the query of the handshake, whose echostr must come back as `text`. WeCom encrypts it. */
export function signHandshake(
  account: Signer,
  text: string,
  { timestamp, nonce, random }: Stamp,
): Readonly<Record<string, string>> {
  if (account.product !== 'wecom')
    return { signature: signatureOf(account.token, timestamp, nonce), timestamp, nonce, echostr: text };
  const echostr = encrypt(text, account, random);
  return { msg_signature: signatureOf(account.token, timestamp, nonce, echostr), timestamp, nonce, echostr };
}
