/**
 * Decrypts the `Encrypt` member of a callback with AES-256-CBC. The plaintext is: 16 random bytes, length, message, app
 * id.
 */
import { createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';

/** WeChat pads to blocks of 32 bytes (PKCS#7) instead of 16. Node's own unpadding throws for padding above 16. */
const PAD_BLOCK = 32;
const RANDOM_BYTES = 16;
const PREFIX_BYTES = RANDOM_BYTES + 4;

interface Key {
  readonly secret: KeyObject;
  readonly iv: Buffer;
}

/**
 * Cached, because creating the key took most of the time of decrypting a callback. The map has one entry per account.
 */
const keys = new Map<string, Key>();
const MAX_KEYS = 1_000;

/**
 * Parses an EncodingAESKey (43 characters of base64, without the last `=`). Returns undefined unless it has 32 bytes.
 */
function keyOf(encodingAesKey: string): Key | undefined {
  const known = keys.get(encodingAesKey);
  if (known) return known;
  const bytes = Buffer.from(`${encodingAesKey}=`, 'base64');
  if (bytes.length !== 32) return undefined;
  const key = { secret: createSecretKey(bytes), iv: bytes.subarray(0, 16) };
  if (keys.size >= MAX_KEYS) keys.clear();
  keys.set(encodingAesKey, key);
  return key;
}

/**
 * Returns the message in `encrypted` (base64), or undefined if no key decrypts it to a well-formed plaintext that ends
 * with `appId`. The keys are tried in order: the current one, then the previous one during a rotation. The caller must
 * have verified msg_signature; otherwise this function would be a padding oracle for callers without the token.
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
    const message = key && decryptWithKey(ciphertext, key, appId);
    if (message !== undefined) return message;
  }
  return undefined;
}

function decryptWithKey(ciphertext: Buffer, { secret, iv }: Key, appId: string): string | undefined {
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
