/** What WeChat posts to us: checked, opened, and read into references. Nothing here waits or remembers. */
import type { Account } from '../account.ts';
import { idOf, type Kind, type ReferenceInput, referenceSchema } from '../media.ts';
import { decrypt } from './encryption.ts';
import { type Fields, MalformedMessage, readMessage } from './message-text.ts';
import { isSignatureOf } from './signature.ts';

/** A query as a server parses it; a repeated parameter (an array) counts as missing. */
export type CallbackQuery = Readonly<Record<string, unknown>>;

export type RefusalCode =
  | 'bad_signature'
  | 'stale_timestamp'
  | 'encryption_required'
  | 'encryption_key_missing'
  | 'cannot_decrypt'
  | 'malformed_message';

/** Why a callback is turned away. `message` is in our own words and holds nothing of what was sent. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: 400 | 403;
  readonly code: RefusalCode;
  readonly message: string;
}

/** `text` is to be answered as it is, as text/plain. */
export type HandshakeResult = { readonly kind: 'answer'; readonly text: string } | Refusal;

/** `messageType` is WeChat's MsgType (`image`, `event`, …) or `other`; fit for a metric's label. */
export type CallbackResult =
  | { readonly kind: 'media'; readonly messageType: string; readonly references: readonly ReferenceInput[] }
  | { readonly kind: 'ignored'; readonly messageType: string }
  | Refusal;

type SigningAccount = Pick<
  Account,
  | 'account'
  | 'product'
  | 'appId'
  | 'token'
  | 'encodingAesKey'
  | 'previousEncodingAesKey'
  | 'requireEncryption'
>;

const WINDOW_MS = 15 * 60_000;

/**
 * Answers the GET by which WeChat's console tries the URL. Official accounts and mini programs send `echostr` in
 * plain even in safe mode; WeCom encrypts it and wants the decrypted text back.
 */
export function answerHandshake(account: SigningAccount, query: CallbackQuery): HandshakeResult {
  const { signature, msgSignature, echostr, ...rest } = readQuery(query);
  if (echostr === undefined || !/^[\x21-\x7e]{1,512}$/.test(echostr)) {
    return refuse(403, 'bad_signature', 'echostr is missing: this is not a handshake of WeChat.');
  }
  const signed = plainParts(account, rest);
  if (account.product !== 'wecom') {
    if (!isSignatureOf(signature, signed)) return badSignature();
    return { kind: 'answer', text: echostr };
  }
  if (!isSignatureOf(msgSignature, [...signed, echostr])) return badSignature();
  const text = decrypt(echostr, keysOf(account), account.appId);
  return text === undefined ? cannotDecrypt() : { kind: 'answer', text };
}

/**
 * Reads a POST: plain, compatible and safe mode, XML and JSON. Where the body is encrypted, msg_signature over four
 * items is what counts (the plain `signature` does not cover the body) and only the decrypted copy is believed.
 * A plain body is bound to nothing but a signed timestamp, hence the window of 15 minutes around `now`. An encrypted
 * one needs no window: a replay of it meets its own row. The size of `body` is the server's to bound.
 */
export function readCallback(
  account: SigningAccount,
  request: { query: CallbackQuery; body: Buffer; now: Date },
): CallbackResult {
  const query = readQuery(request.query);
  try {
    const message = openMessage(account, query, readMessage(request.body.toString('utf8')), request.now);
    return 'kind' in message ? message : readReferences(account, message.fields);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    // Whoever cannot sign learns nothing of our parser; WeChat sends the plain signature in every mode.
    return isSignatureOf(query.signature, plainParts(account, query))
      ? malformed(error.message)
      : badSignature();
  }
}

function openMessage(
  account: SigningAccount,
  query: ReturnType<typeof readQuery>,
  outer: Fields,
  now: Date,
): { fields: Fields } | Refusal {
  const signed = plainParts(account, query);
  const encrypted = outer.get('Encrypt');
  // In compatible mode the fields stand in the body twice. Without a key, and only then, the plain copy serves.
  if (encrypted !== undefined && (account.encodingAesKey !== undefined || !outer.has('MsgType'))) {
    if (!isSignatureOf(query.msgSignature, [...signed, encrypted])) return badSignature();
    if (account.encodingAesKey === undefined) {
      return refuse(403, 'encryption_key_missing', 'The callback is encrypted: configure encodingAesKey.');
    }
    const text = decrypt(encrypted, keysOf(account), account.appId);
    return text === undefined ? cannotDecrypt() : { fields: readMessage(text) };
  }
  if (!isSignatureOf(query.signature, signed)) return badSignature();
  if (account.requireEncryption) {
    return refuse(
      403,
      'encryption_required',
      "Plain callbacks are refused: choose safe mode in WeChat's console.",
    );
  }
  const sentMs = Number(query.timestamp) * 1000;
  if (!(Math.abs(now.getTime() - sentMs) <= WINDOW_MS)) {
    return refuse(
      403,
      'stale_timestamp',
      'The timestamp is more than 15 minutes away from the clock of this server.',
    );
  }
  return { fields: outer };
}

function readReferences(account: SigningAccount, fields: Fields): CallbackResult {
  const field = (name: string): string | undefined => fields.get(name)?.trim() || undefined;
  const msgType = field('MsgType');
  if (msgType === undefined) return malformed('a message without MsgType');
  const messageType = /^[a-z][a-z0-9_]{0,31}$/.test(msgType) ? msgType : 'other';

  const { openId, msgId, picUrl } = referenceSchema.shape;
  const shared = {
    account: account.account,
    ...keep('openId', openId, field('FromUserName')),
    ...keep('msgId', msgId, field('MsgId') ?? field('MsgID')),
    ...keep('sentAt', referenceSchema.shape.sentAt, isoOfSeconds(field('CreateTime'))),
  };
  const media = (kind: Kind, mediaId: string | undefined, extra: Partial<ReferenceInput> = {}) =>
    mediaId === undefined ? [] : [{ ...shared, kind, mediaId, ...extra } satisfies ReferenceInput];
  const mediaId = field('MediaId');
  const parent = mediaId === undefined ? {} : { parentId: idOf(account.account, mediaId) };
  const withMedia = (references: ReferenceInput[]): CallbackResult => {
    // The loud way: WeChat shows a refusal in its console, while a media nobody recorded would just be missing.
    if (references.length === 0) return malformed(`a message of type ${messageType} without its media id`);
    if (!references.every((reference) => referenceSchema.safeParse(reference).success)) {
      return malformed(`a message of type ${messageType} with a media id that cannot be one`);
    }
    return { kind: 'media', messageType, references };
  };

  switch (messageType) {
    case 'image':
      return withMedia(media('image', mediaId, keep('picUrl', picUrl, field('PicUrl'))));
    case 'voice':
      return withMedia([
        ...media('voice', mediaId),
        ...media('voice', field('MediaId16K'), { variant: '16k', ...parent }),
      ]);
    case 'video':
    case 'shortvideo':
      return withMedia([...media(messageType, mediaId), ...media('thumb', field('ThumbMediaId'), parent)]);
    case 'miniprogrampage': {
      const thumb = media('thumb', field('ThumbMediaId'));
      return thumb.length > 0 ? withMedia(thumb) : { kind: 'ignored', messageType };
    }
    case 'file':
      // Official accounts get no media id for files (WeCom does): recorded so that somebody sees what was lost.
      return withMedia(media('file', mediaId ?? (shared.msgId && `msg:${shared.msgId}`)));
    default:
      return { kind: 'ignored', messageType };
  }
}

/** An optional field, kept only if it is what it should be: a bad PicUrl must not cost the picture. */
function keep<Name extends keyof ReferenceInput>(
  name: Name,
  schema: (typeof referenceSchema.shape)[Name],
  value: string | undefined,
): { [key in Name]?: string } {
  if (value === undefined || !schema.safeParse(value).success) return {};
  return { [name]: value } as { [key in Name]?: string };
}

/** CreateTime is in seconds; what is no plausible one (until the year 2100) is left to the moment of arrival. */
function isoOfSeconds(seconds: string | undefined): string | undefined {
  if (seconds === undefined || !/^\d{1,10}$/.test(seconds)) return undefined;
  const date = new Date(Number(seconds) * 1000);
  return date.getUTCFullYear() >= 2011 && date.getUTCFullYear() < 2100 ? date.toISOString() : undefined;
}

function readQuery(query: CallbackQuery) {
  const text = (name: string): string | undefined => {
    const value = Object.hasOwn(query, name) ? query[name] : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  return {
    signature: text('signature'),
    msgSignature: text('msg_signature'),
    timestamp: text('timestamp'),
    nonce: text('nonce'),
    echostr: text('echostr'),
  };
}

const plainParts = (
  account: SigningAccount,
  query: { timestamp: string | undefined; nonce: string | undefined },
) => [account.token, query.timestamp ?? '', query.nonce ?? ''];
const keysOf = (account: SigningAccount) => [account.encodingAesKey, account.previousEncodingAesKey];

const refuse = (status: 400 | 403, code: RefusalCode, message: string): Refusal => ({
  kind: 'refused',
  status,
  code,
  message,
});
const badSignature = () => refuse(403, 'bad_signature', "The signature does not match this account's token.");
const cannotDecrypt = () =>
  refuse(
    403,
    'cannot_decrypt',
    'The body does not open with the encodingAesKey of this account, or is not for it.',
  );
const malformed = (why: string) =>
  refuse(400, 'malformed_message', `The body is no message of WeChat: ${why}.`);
