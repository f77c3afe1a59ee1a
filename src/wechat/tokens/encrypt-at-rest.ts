/** Encrypts tokens and other secrets for the database: AES-256-GCM, with a key derived from the account's secret. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { Account } from '../../account.ts';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

function keyOf(account: Pick<Account, 'account' | 'secret'>): Buffer {
  return Buffer.from(hkdfSync('sha256', account.secret, account.account, 'wma access token v1', 32));
}

/**
 * Returns `v1.` + base64url of iv, tag and ciphertext. The value is bound to the account: it cannot be decrypted for
 * another account.
 */
export function encryptAtRest(account: Pick<Account, 'account' | 'secret'>, token: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(account), iv).setAAD(Buffer.from(account.account));
  const encrypted = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()]);
  return `${VERSION}.${Buffer.concat([iv, cipher.getAuthTag(), encrypted]).toString('base64url')}`;
}

/**
 * Decrypts a stored value. Returns undefined if it was changed, belongs to another account, or is older than the
 * current secret.
 */
export function decryptAtRest(
  account: Pick<Account, 'account' | 'secret'>,
  encrypted: string,
): string | undefined {
  const [version, text] = encrypted.split('.');
  const bytes = Buffer.from(text ?? '', 'base64url');
  if (version !== VERSION || bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
  const iv = bytes.subarray(0, IV_BYTES);
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(account), iv, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(account.account))
      .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    return decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return undefined;
  }
}

/** Returns a short hash that may be logged and compared instead of a token. */
export function fingerprintOf(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16);
}
