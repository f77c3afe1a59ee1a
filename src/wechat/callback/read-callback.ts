/** What WeChat posts to us: checked, opened, and read into references. Nothing here waits or remembers. */
import { type Account, callbackAppIdOf } from '../../account.ts';
import { toInt4 } from '../../storable.ts';
import { encryptedIn } from './broken-message.ts';
import { decrypt } from './decrypt.ts';
import { type Fields, MalformedMessage, readMessage } from './parse-message.ts';
import { type MessageRead, readReferences } from './references.ts';
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

export type CallbackResult =
  | Exclude<MessageRead, { kind: 'malformed' }>
  /** WeCom customer service only says that there is something: see kf-sync.ts. `token` is good for ten minutes. */
  | {
      readonly kind: 'sync';
      readonly messageType: string;
      readonly token: string;
      readonly openKfId: string;
    }
  /** The ticket of a third-party platform, to be kept as `sealTicket` of component-tokens.ts says. */
  | { readonly kind: 'ticket'; readonly messageType: string; readonly ticket: string }
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
  | 'tokenSource'
>;

const WINDOW_SECONDS = 15 * 60;

/**
 * Answers the GET by which WeChat's console tries the URL. Official accounts and mini programs send `echostr` in
 * plain even in safe mode; WeCom encrypts it and wants the decrypted text back.
 */
export function readHandshake(account: SigningAccount, query: CallbackQuery): HandshakeResult {
  const { signature, msgSignature, echostr: sent, ...rest } = readQuery(query);
  // WeCom's is base64: a plus sign that was not escaped in the address arrives as a space.
  const echostr = account.product === 'wecom' ? sent?.trim().replaceAll(' ', '+') : sent;
  if (echostr === undefined || !/^[\x21-\x7e]{1,512}$/.test(echostr)) {
    return refuse(403, 'bad_signature', 'echostr is missing: this is not a handshake of WeChat.');
  }
  const signed = plainParts(account, rest);
  if (account.product !== 'wecom') {
    if (!isSignatureOf(signature, signed)) return badSignature();
    return { kind: 'answer', text: echostr };
  }
  const encrypted = signedText(msgSignature, signed, [echostr]);
  if (encrypted === undefined) return badSignature();
  const text = decrypt(encrypted, keysOf(account), account.appId);
  return text === undefined ? cannotDecrypt() : { kind: 'answer', text };
}

/**
 * What the query of a POST says before its body is there. `valid`: `signature` is right, as official accounts send it in
 * every mode. `over the body`: only msg_signature is there, which covers what is encrypted. `none`: it cannot be signed.
 */
export function signatureInQuery(
  account: SigningAccount,
  query: CallbackQuery,
): 'valid' | 'over the body' | 'none' {
  const read = readQuery(query);
  if (isSignatureOf(read.signature, plainParts(account, read))) return 'valid';
  return /^[0-9a-f]{40}$/i.test(read.msgSignature ?? '') ? 'over the body' : 'none';
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
  const body = request.body.toString('utf8');
  try {
    // Before the body is read: in compatible mode its plain copy may be broken by what a user typed.
    const opened = openEncrypted(account, query, encryptedIn(body));
    const message = opened ?? openMessage(account, query, readMessage(body), request.now);
    return 'kind' in message ? message : readPush(account, message);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    // Whoever cannot sign learns nothing of our parser; WeChat sends the plain signature in every mode.
    return isSignatureOf(query.signature, plainParts(account, query))
      ? malformed(error.message)
      : badSignature();
  }
}

interface Opened {
  readonly fields: Fields;
  readonly isEncrypted: boolean;
}

/**
 * The one of `texts` that msg_signature covers. Whoever laid out the body may have put white space around or into the
 * base64, before signing or after.
 */
function signedText(
  msgSignature: string | undefined,
  signed: readonly string[],
  texts: readonly string[],
): string | undefined {
  return texts.find((text) =>
    [...new Set([text, text.trim(), text.replace(/\s+/g, '')])].some((form) =>
      isSignatureOf(msgSignature, [...signed, form]),
    ),
  );
}

/** Undefined: none of `texts` is signed. */
function openEncrypted(
  account: SigningAccount,
  query: ReturnType<typeof readQuery>,
  texts: readonly string[],
): Opened | Refusal | undefined {
  const encrypted = signedText(query.msgSignature, plainParts(account, query), texts);
  if (encrypted === undefined || account.encodingAesKey === undefined) return undefined;
  const text = decrypt(encrypted, keysOf(account), callbackAppIdOf(account));
  return text === undefined ? cannotDecrypt() : readInner(text);
}

function openMessage(
  account: SigningAccount,
  query: ReturnType<typeof readQuery>,
  outer: Fields,
  now: Date,
): Opened | Refusal {
  const signed = plainParts(account, query);
  const encrypted = outer.get('Encrypt');
  // In compatible mode the fields stand in the body twice. Without a key, and only then, the plain copy serves.
  if (encrypted !== undefined && isEncryptedOnly(account, query, outer)) {
    if (signedText(query.msgSignature, signed, [encrypted]) === undefined) return badSignature();
    if (account.encodingAesKey === undefined) {
      return refuse(403, 'encryption_key_missing', 'The callback is encrypted: configure encodingAesKey.');
    }
    return openEncrypted(account, query, [encrypted]) ?? badSignature();
  }
  if (!isSignatureOf(query.signature, signed)) return badSignature();
  if (account.requireEncryption) {
    return refuse(
      403,
      'encryption_required',
      "Plain callbacks are refused: choose safe mode in WeChat's console.",
    );
  }
  const skewSeconds = clockSkewSeconds(query.timestamp, now);
  if (skewSeconds === undefined || Math.abs(skewSeconds) > WINDOW_SECONDS) {
    const away =
      skewSeconds === undefined
        ? 'no time'
        : `${Math.abs(skewSeconds)} seconds ${skewSeconds > 0 ? 'behind' : 'ahead of'} the clock of this server`;
    return refuse(403, 'stale_timestamp', `The timestamp is ${away}; 15 minutes are allowed.`);
  }
  return { fields: outer, isEncrypted: false };
}

/**
 * Whether the `Encrypt` of a body is the message, and its plain fields are not to be believed. In plain mode, which
 * has no msg_signature, a user may have typed the tag: then it holds no blocks of a cipher.
 */
function isEncryptedOnly(
  account: SigningAccount,
  { msgSignature }: ReturnType<typeof readQuery>,
  outer: Fields,
): boolean {
  if (!outer.has('MsgType')) return true;
  if (account.encodingAesKey === undefined) return false;
  const compact = outer.get('Encrypt')?.replace(/\s+/g, '') ?? '';
  const isCipher =
    /^[A-Za-z0-9+/]{43,}={0,2}$/.test(compact) && Buffer.from(compact, 'base64').length % 16 === 0;
  return msgSignature !== undefined || isCipher;
}

/** What came out of msg_signature and decryption is the platform's word: its mistakes may be named. */
function readInner(text: string): Opened | Refusal {
  try {
    return { fields: readMessage(text), isEncrypted: true };
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return malformed(error.message);
  }
}

function readPush(account: SigningAccount, { fields, isEncrypted }: Opened): CallbackResult {
  const field = (name: string): string | undefined => fields.get(name)?.trim() || undefined;
  // Pushes to a third-party platform say what they are by InfoType; they have no MsgType.
  const infoType = field('InfoType');
  if (infoType !== undefined && account.tokenSource?.type !== 'component' && !field('MsgType'))
    return { kind: 'ignored', messageType: 'info' };
  if (infoType !== undefined && account.tokenSource?.type === 'component') {
    const ticket = field('ComponentVerifyTicket');
    // Only from an encrypted body: a plain one that was replayed with another ticket would cut the platform off.
    const isTicket = isEncrypted && infoType === 'component_verify_ticket' && ticket && ticket.length <= 512;
    return isTicket
      ? { kind: 'ticket', messageType: 'component_verify_ticket', ticket }
      : { kind: 'ignored', messageType: 'info' };
  }
  const [token, openKfId] = [field('Token'), field('OpenKfId')];
  if (account.product === 'wecom' && field('Event') === 'kf_msg_or_event' && token && openKfId)
    return { kind: 'sync', messageType: 'event', token, openKfId };
  const read = readReferences(account.account, fields);
  return read.kind === 'malformed' ? malformed(read.why) : read;
}

/**
 * How many seconds the timestamp that WeChat signed lies behind `now` (negative: ahead of it); undefined without one.
 * WeChat's clock is right: what is more than a few seconds is the clock of this server, or a late delivery.
 */
export function clockSkewSeconds(timestamp: unknown, now: Date): number | undefined {
  if (typeof timestamp !== 'string' || !/^\d{1,12}$/.test(timestamp)) return undefined;
  return toInt4(now.getTime() / 1000 - Number(timestamp));
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
export const badSignature = (): Refusal =>
  refuse(403, 'bad_signature', "The signature does not match this account's token.");
const cannotDecrypt = () =>
  refuse(
    403,
    'cannot_decrypt',
    'The body does not open with the encodingAesKey of this account, or is not for it.',
  );
const malformed = (why: string) =>
  refuse(400, 'malformed_message', `The body is no message of WeChat: ${why}.`);
