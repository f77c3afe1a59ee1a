/** Links to objects: presigned GET URLs. They are computed; no request is made. */
import type { Address } from './http/address.ts';
import { canonicalQuery, type Signer } from './http/signing.ts';

export interface Link {
  readonly url: string;
  readonly expiresAt: Date;
}

export interface LinkOptions {
  readonly now: Date;
  readonly ttlMs: number;
  /**
   * Whether the link is valid for the whole of `ttlMs`, for a person who asked for that time. Default: it is the same
   * throughout a time window, so that browsers can cache it: the time of signing is rounded down to half the time to
   * live. Such a link is valid for at least half of `ttlMs` and at most all of it.
   */
  readonly isExact?: boolean;
}

export interface Links {
  link(key: string, options: LinkOptions): Promise<Link>;
}

/** SigV4's limit, in whole seconds. */
export const MAX_TTL_SECONDS = 7 * 24 * 3600;

/** Returns when a link requested at `now` is signed and for how many whole seconds. */
export function decideWindow({ now, ttlMs, isExact = false }: LinkOptions): {
  signedAt: Date;
  expiresInSeconds: number;
} {
  const expiresInSeconds = Math.min(Math.max(Math.round(ttlMs / 1000), 2), MAX_TTL_SECONDS);
  // X-Amz-Date has whole seconds.
  const windowMs = isExact ? 1000 : Math.floor(expiresInSeconds / 2) * 1000;
  return { signedAt: new Date(Math.floor(now.getTime() / windowMs) * windowMs), expiresInSeconds };
}

export function createLinks(deps: { signer: Signer; address: Address }): Links {
  const { signer, address } = deps;
  return {
    link: async (key, options) => {
      const { signedAt, expiresInSeconds } = decideWindow(options);
      const path = address.pathOf(key);
      const query = signer.presign(address, { method: 'GET', path }, { signedAt, expiresInSeconds });
      return {
        url: `${address.origin}${path}?${canonicalQuery(query)}`,
        expiresAt: new Date(signedAt.getTime() + expiresInSeconds * 1000),
      };
    },
  };
}
