/** Signs and encrypts callbacks as WeChat does (message push and encryption guide). */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';

/** Returns sha1 over the parts, sorted by their bytes and joined: `signature`, or with the ciphertext `msg_signature`. */
export function signatureOf(...parts: readonly string[]): string {
  const sorted = parts.map((part) => Buffer.from(part)).sort(Buffer.compare);
  return createHash('sha1').update(Buffer.concat(sorted)).digest('hex');
}

const PAD_BLOCK_BYTES = 32;

/**
 * Encrypts a message with a 43 character EncodingAESKey: AES-256-CBC over 16 random bytes, the length in four
 * bytes, the message and the app id, padded to 32 bytes (PKCS7, but for a block of 32). `random` is for test vectors.
 */
export function encryptMessage(
  message: string,
  options: { encodingAesKey: string; appId: string; random?: Buffer },
): string {
  const key = Buffer.from(`${options.encodingAesKey}=`, 'base64');
  const content = Buffer.from(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const plain = Buffer.concat([
    options.random ?? randomBytes(16),
    length,
    content,
    Buffer.from(options.appId),
  ]);
  const padBytes = PAD_BLOCK_BYTES - (plain.length % PAD_BLOCK_BYTES);
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
  const padded = Buffer.concat([plain, Buffer.alloc(padBytes, padBytes)]);
  return Buffer.concat([cipher.update(padded), cipher.final()]).toString('base64');
}
