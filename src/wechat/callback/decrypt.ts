/** Opens the `Encrypt` member of a callback: AES-256-CBC, plaintext = 16 random bytes, length, message, appid. */
import { createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';

/** PKCS#7 with blocks of 32, not 16: Node's own unpadding throws on every pad above 16. */
const PAD_BLOCK = 32;
const RANDOM_BYTES = 16;
const PREFIX_BYTES = RANDOM_BYTES + 4;

interface Key {
  readonly secret: KeyObject;
  readonly iv: Buffer;
}

/** As many as there are accounts configured: made anew for each callback they were most of what opening it cost. */
const keys = new Map<string, Key>();
const KEYS_LIMIT = 1_000;

/** Of an EncodingAESKey (43 characters of base64 without its last `=`); undefined unless it makes 32 bytes. */
function keyOf(encodingAesKey: string): Key | undefined {
  const known = keys.get(encodingAesKey);
  if (known) return known;
  const bytes = Buffer.from(`${encodingAesKey}=`, 'base64');
  if (bytes.length !== 32) return undefined;
  const key = { secret: createSecretKey(bytes), iv: bytes.subarray(0, 16) };
  if (keys.size >= KEYS_LIMIT) keys.clear();
  keys.set(encodingAesKey, key);
  return key;
}

/**
 * The message inside `encrypted` (base64), or undefined if none of the keys opens it to a well-formed plaintext that
 * ends in `appId`. Keys are tried in order: the current one, then the previous one while a rotation is under way.
 * Whoever calls has verified msg_signature before, so that no padding can be probed from outside.
 */
export function decrypt(
  encrypted: string,
  encodingAesKeys: readonly (string | undefined)[],
  appId: string,
): string | undefined {
  const compact = encrypted.replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return undefined;
  const ciphertext = Buffer.from(compact, 'base64');
  if (ciphertext.length === 0 || ciphertext.length % 16 !== 0) return undefined;
  for (const encodingAesKey of encodingAesKeys) {
    const key = encodingAesKey === undefined ? undefined : keyOf(encodingAesKey);
    const message = key && open(ciphertext, key, appId);
    if (message !== undefined) return message;
  }
  return undefined;
}

function open(ciphertext: Buffer, { secret, iv }: Key, appId: string): string | undefined {
  const decipher = createDecipheriv('aes-256-cbc', secret, iv).setAutoPadding(false);
  const padded = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  const pad = padded.at(-1)!;
  if (pad < 1 || pad > PAD_BLOCK || pad > padded.length) return undefined;
  const plain = padded.subarray(0, -pad);
  if (plain.length < PREFIX_BYTES) return undefined;
  const end = PREFIX_BYTES + plain.readUInt32BE(RANDOM_BYTES);
  if (end > plain.length || plain.toString('utf8', end) !== appId) return undefined;
  return plain.toString('utf8', PREFIX_BYTES, end);
}
