/** Verifies and decrypts callbacks of WeChat, and reads references from them. All functions are pure. */
import { type Account, callbackAppIdOf } from '../../account.ts';
import { toInt4 } from '../../storable.ts';
import { encryptedIn } from './broken-message.ts';
import { decrypt } from './decrypt.ts';
import { type Fields, MalformedMessage, readMessage } from './parse-message.ts';
import { type MessageRead, readReferences } from './references.ts';
import { isSignatureOf } from './signature.ts';

/** A query as the server parses it. A repeated parameter (an array) counts as missing. */
export type CallbackQuery = Readonly<Record<string, unknown>>;

export type RefusalCode =
  | 'bad_signature'
  | 'stale_timestamp'
  | 'encryption_required'
  | 'encryption_key_missing'
  | 'cannot_decrypt'
  | 'malformed_message';

/** Why a callback is refused. `message` contains no part of the request. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: 400 | 403;
  readonly code: RefusalCode;
  readonly message: string;
}

/** `text` is the body of the response. It must be sent unchanged, as text/plain. */
export type HandshakeResult = { readonly kind: 'accepted'; readonly text: string } | Refusal;

export type CallbackResult =
  | Exclude<MessageRead, { kind: 'malformed' }>
  /** WeCom customer service has new messages, which sync-messages.ts reads. `token` is valid for ten minutes. */
  | {
      readonly kind: 'sync';
      readonly messageType: string;
      readonly token: string;
      readonly openKfId: string;
    }
  /** The ticket of a third-party platform, to be stored by `encryptTicket` of component-tokens.ts. */
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

/** How far the timestamp of a plain callback may be from the clock. */
const TIMESTAMP_WINDOW_SECONDS = 15 * 60;

/**
 * Reads the GET request by which WeChat's console checks the URL. Official accounts and mini programs send `echostr` in
 * plain text even in safe mode; WeCom encrypts it and expects the decrypted text.
 */
export function readHandshake(account: SigningAccount, query: CallbackQuery): HandshakeResult {
  const { signature, msgSignature, echostr: sent, ...rest } = readQuery(query);
  // WeCom's echostr is base64: a plus sign that was not escaped in the URL arrives as a space.
  const echostr = account.product === 'wecom' ? sent?.trim().replaceAll(' ', '+') : sent;
  if (echostr === undefined || !/^[\x21-\x7e]{1,512}$/.test(echostr)) {
    return refuse(403, 'bad_signature', 'echostr is missing: this is not a handshake from WeChat.');
  }
  const signed = plainParts(account, rest);
  if (account.product !== 'wecom') {
    if (!isSignatureOf(signature, signed)) return badSignature();
    return { kind: 'accepted', text: echostr };
  }
  const encrypted = signedText(msgSignature, signed, [echostr]);
  if (encrypted === undefined) return badSignature();
  const text = decrypt(encrypted, keysOf(account), account.appId);
  return text === undefined ? cannotDecrypt() : { kind: 'accepted', text };
}

/**
 * Checks the query of a POST before its body has arrived. `valid`: `signature` is correct; official accounts send it in
 * every mode. `over the body`: the query has only msg_signature, which covers the encrypted text. `none`: the query has
 * no signature that could be valid.
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
 * Reads a POST in plain, compatible and safe mode, as XML and JSON. If the body is encrypted, msg_signature over four
 * items must be valid, because the plain `signature` does not cover the body; then only the decrypted copy is used. A
 * plain body is protected only by a signed timestamp, which must be within 15 minutes of `now`. An encrypted body needs
 * no such window: a replayed callback leads to the row that already exists. The server limits the size of `body`.
 */
export function readCallback(
  account: SigningAccount,
  request: { query: CallbackQuery; body: Buffer; now: Date },
): CallbackResult {
  const query = readQuery(request.query);
  const body = request.body.toString('utf8');
  try {
    // Decrypted before the body is parsed: in compatible mode a user's text may make the plain copy malformed.
    const decrypted = decryptSigned(account, query, encryptedIn(body));
    const message = decrypted ?? verifyMessage(account, query, readMessage(body), request.now);
    return 'kind' in message ? message : readPush(account, message);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    // Only callers that can sign get the details of the parser. WeChat sends the plain signature in every mode.
    return isSignatureOf(query.signature, plainParts(account, query))
      ? malformed(error.message)
      : badSignature();
  }
}

interface VerifiedMessage {
  readonly fields: Fields;
  readonly isEncrypted: boolean;
}

/**
 * Returns the one of `texts` that msg_signature covers. White space may have been added around or in the base64, before
 * or after signing.
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

/** Returns undefined if msg_signature covers none of `texts`, or if the account has no key. */
function decryptSigned(
  account: SigningAccount,
  query: ReturnType<typeof readQuery>,
  texts: readonly string[],
): VerifiedMessage | Refusal | undefined {
  const encrypted = signedText(query.msgSignature, plainParts(account, query), texts);
  if (encrypted === undefined || account.encodingAesKey === undefined) return undefined;
  const text = decrypt(encrypted, keysOf(account), callbackAppIdOf(account));
  return text === undefined ? cannotDecrypt() : readDecrypted(text);
}

function verifyMessage(
  account: SigningAccount,
  query: ReturnType<typeof readQuery>,
  outer: Fields,
  now: Date,
): VerifiedMessage | Refusal {
  const signed = plainParts(account, query);
  const encrypted = outer.get('Encrypt');
  // In compatible mode the body contains the fields twice: plain and encrypted. The plain copy is used only if the
  // account has no key.
  if (encrypted !== undefined && isEncryptedOnly(account, query, outer)) {
    if (signedText(query.msgSignature, signed, [encrypted]) === undefined) return badSignature();
    if (account.encodingAesKey === undefined) {
      return refuse(403, 'encryption_key_missing', 'The callback is encrypted: configure encodingAesKey.');
    }
    return decryptSigned(account, query, [encrypted]) ?? badSignature();
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
  if (skewSeconds === undefined || Math.abs(skewSeconds) > TIMESTAMP_WINDOW_SECONDS) {
    const difference =
      skewSeconds === undefined
        ? 'no time'
        : `${Math.abs(skewSeconds)} seconds ${skewSeconds > 0 ? 'behind' : 'ahead of'} the clock of this server`;
    return refuse(403, 'stale_timestamp', `The timestamp is ${difference}; 15 minutes are allowed.`);
  }
  return { fields: outer, isEncrypted: false };
}

/**
 * Whether the message is in `Encrypt`, so that the plain fields must not be used. In plain mode, which has no
 * msg_signature, a user may have typed the tag; its text is then not ciphertext.
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

/** Parses a decrypted message. WeChat has sent it, so the error may describe the malformed part. */
function readDecrypted(text: string): VerifiedMessage | Refusal {
  try {
    return { fields: readMessage(text), isEncrypted: true };
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return malformed(error.message);
  }
}

function readPush(account: SigningAccount, { fields, isEncrypted }: VerifiedMessage): CallbackResult {
  const field = (name: string): string | undefined => fields.get(name)?.trim() || undefined;
  // Pushes to a third-party platform have an InfoType and no MsgType.
  const infoType = field('InfoType');
  if (infoType !== undefined && account.tokenSource?.type !== 'component' && !field('MsgType'))
    return { kind: 'ignored', messageType: 'info' };
  if (infoType !== undefined && account.tokenSource?.type === 'component') {
    const ticket = field('ComponentVerifyTicket');
    // A ticket is accepted only from an encrypted body: the signature does not cover a plain body, and a forged ticket
    // would stop all calls of the platform.
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
 * Returns how many seconds WeChat's signed timestamp is behind `now` (negative: ahead of it); undefined without a
 * timestamp. WeChat's clock is correct: a difference of more than a few seconds means that this server's clock is wrong
 * or that the delivery was late.
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
    'The body cannot be decrypted with the encodingAesKey of this account, or is not for this account.',
  );
const malformed = (why: string) =>
  refuse(400, 'malformed_message', `The body is not a WeChat message: ${why}.`);
