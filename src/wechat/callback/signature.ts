/** The signature of a callback: sha1 over the sorted parts, as WeChat's console and servers compute it. */
import { hash, timingSafeEqual } from 'node:crypto';

/**
 * sha1 hex of the parts, sorted by code unit (never by locale) and joined. Three parts (token, timestamp, nonce) sign
 * a plain callback, which leaves its body unsigned; the fourth (`Encrypt`) signs an encrypted one whole.
 */
export function signatureOf(parts: readonly string[]): string {
  return hash('sha1', parts.toSorted().join(''));
}

/** Compares in constant time; anything but 40 hex digits is simply wrong. */
export function isSignatureOf(given: string | undefined, parts: readonly string[]): boolean {
  if (given === undefined || !/^[0-9a-f]{40}$/i.test(given)) return false;
  return timingSafeEqual(
    Buffer.from(given.toLowerCase(), 'latin1'),
    Buffer.from(signatureOf(parts), 'latin1'),
  );
}
