/** The signature of a callback: sha1 over the sorted parts, as WeChat computes it. */
import { hash, timingSafeEqual } from 'node:crypto';

/**
 * Returns the sha1 hex of the parts, sorted by code unit (not by locale) and joined. Three parts (token, timestamp,
 * nonce) sign a plain callback, whose body is not signed. With a fourth part (`Encrypt`) the whole message is signed.
 */
export function signatureOf(parts: readonly string[]): string {
  return hash('sha1', parts.toSorted().join(''));
}

/** Compares in constant time. Returns false for text that is not 40 hex digits. */
export function isSignatureOf(signature: string | undefined, parts: readonly string[]): boolean {
  if (signature === undefined || !/^[0-9a-f]{40}$/i.test(signature)) return false;
  return timingSafeEqual(
    Buffer.from(signature.toLowerCase(), 'latin1'),
    Buffer.from(signatureOf(parts), 'latin1'),
  );
}
