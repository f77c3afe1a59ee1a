/** Links to objects: presigned GET URLs. They are computed; no request is made. */
import type { Address } from './http/address.ts';
import { canonicalQuery, type Signer } from './http/signing.ts';

export interface Link {
  readonly url: string;
  readonly expiresAt: Date;
}

export interface Links {
  /**
   * Returns the same URL throughout a time window, so that browsers can cache it: the time of signing is rounded down
   * to half the time to live. A link is therefore valid for at least half of `ttlMs` and at most all of it.
   */
  link(key: string, options: { now: Date; ttlMs: number }): Promise<Link>;
}

/** SigV4's limit, in whole seconds. */
const MAX_TTL_SECONDS = 7 * 24 * 3600;

/** Returns when a link requested at `now` is signed and for how many whole seconds. */
export function decideWindow(now: Date, ttlMs: number): { signedAt: Date; expiresInSeconds: number } {
  const expiresInSeconds = Math.min(Math.max(Math.round(ttlMs / 1000), 2), MAX_TTL_SECONDS);
  const windowMs = Math.floor(expiresInSeconds / 2) * 1000;
  return { signedAt: new Date(Math.floor(now.getTime() / windowMs) * windowMs), expiresInSeconds };
}

export function createLinks(deps: { signer: Signer; address: Address }): Links {
  const { signer, address } = deps;
  return {
    link: async (key, { now, ttlMs }) => {
      const { signedAt, expiresInSeconds } = decideWindow(now, ttlMs);
      const path = address.pathOf(key);
      const query = signer.presign(address, { method: 'GET', path }, { signedAt, expiresInSeconds });
      return {
        url: `${address.origin}${path}?${canonicalQuery(query)}`,
        expiresAt: new Date(signedAt.getTime() + expiresInSeconds * 1000),
      };
    },
  };
}
