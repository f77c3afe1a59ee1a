/** Access tokens at rest: AES-256-GCM under a key that only who knows the account's secret can derive. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { Account } from '../../account.ts';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

function keyOf(account: Pick<Account, 'account' | 'secret'>): Buffer {
  return Buffer.from(hkdfSync('sha256', account.secret, account.account, 'wma access token v1', 32));
}

/** `v1.` + base64url of iv, tag and ciphertext; bound to the account, so that rows cannot be swapped. */
export function encryptAtRest(account: Pick<Account, 'account' | 'secret'>, token: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(account), iv).setAAD(Buffer.from(account.account));
  const sealed = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()]);
  return `${VERSION}.${Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')}`;
}

/** Undefined where it does not open: tampered with, of another account, or sealed before the secret was reset. */
export function decryptAtRest(
  account: Pick<Account, 'account' | 'secret'>,
  sealed: string,
): string | undefined {
  const [version, text] = sealed.split('.');
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

/** What may be shown and compared instead of a token. */
export function fingerprintOf(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16);
}
