/** Session cookies and login tickets. They are signed texts, so that the server need not store them. */
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

type CredentialKind = 'session' | 'login link';

export interface Credential {
  readonly name: string;
  readonly expiresAt: Date;
  /** Identifies the credential in the list of revoked ones. */
  readonly digest: Buffer;
}

export interface Credentials {
  issue(kind: CredentialKind, name: string, expiresAt: Date): string;
  /** Returns undefined if the signature is not ours. Does not check the expiry. */
  read(kind: CredentialKind, text: string): Credential | undefined;
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares in constant time, independent of the lengths and of the position of the first difference. */
export const isSameText = (a: string, b: string): boolean => timingSafeEqual(digestOf(a), digestOf(b));

/**
 * The signing key is derived from all API keys: every server process accepts the credentials of the others, and a
 * changed API key ends all sessions.
 */
export function createCredentials(secrets: readonly string[]): Credentials {
  const signingKey = Buffer.from(
    hkdfSync('sha256', secrets.join('\0'), 'wma', 'sessions and login links', 32),
  );
  const sign = (kind: CredentialKind, text: string) =>
    createHmac('sha256', signingKey).update(`${kind}~${text}`).digest('base64url');
  return {
    issue: (kind, name, expiresAt) => {
      const nonce = randomBytes(9).toString('base64url');
      const text = [expiresAt.getTime().toString(36), Buffer.from(name).toString('base64url'), nonce].join(
        '~',
      );
      return `${text}~${sign(kind, text)}`;
    },
    read: (kind, text) => {
      const [until = '', name = '', nonce = '', signature = '', ...more] = text.split('~');
      if (more.length > 0 || !isSameText(sign(kind, `${until}~${name}~${nonce}`), signature))
        return undefined;
      return {
        name: Buffer.from(name, 'base64url').toString(),
        expiresAt: new Date(Number.parseInt(until, 36)),
        digest: digestOf(text),
      };
    },
  };
}
