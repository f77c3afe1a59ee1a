/**
 * Encrypts the signing secrets of endpoints for the database. There is no key of their own to configure: a secret is
 * encrypted with each of a few secrets that every process of the installation has, and any one of them decrypts it. So
 * one of them may be changed, and the copies are encrypted anew.
 */
import { createHash } from 'node:crypto';
import type { Account } from '../../account.ts';
import type { EncryptedCopies } from '../../catalogue/webhooks/endpoint-row.ts';
import { decryptAtRest, encryptAtRest } from '../../wechat/tokens/encrypt-at-rest.ts';

/** A secret of the configuration, under a name that stays the same when it is changed. */
interface Wrapper {
  /** The name of its copy: a digest, so that an endpoint's row does not name accounts that are not its own. */
  readonly account: string;
  readonly secret: string;
}

const nameOf = (source: string): string =>
  createHash('sha256').update(`webhook ${source}`).digest('hex').slice(0, 16);

/** More would only make rows longer. */
const MAX_ACCOUNTS = 3;

export interface EndpointSecrets {
  encrypt(secret: string): EncryptedCopies;
  /** Returns undefined if none of the present secrets decrypts it. */
  decrypt(copies: EncryptedCopies): string | undefined;
  /** Returns copies for the present secrets; undefined if these are for them, or cannot be decrypted. */
  renew(copies: EncryptedCopies): EncryptedCopies | undefined;
}

/** `accounts` is read at each use, because their secrets may be reread. */
export function createEndpointSecrets({
  accounts,
  storeSecret,
}: {
  accounts: { readonly all: readonly Pick<Account, 'account' | 'secret' | 'token'>[] };
  storeSecret: string | undefined;
}): EndpointSecrets {
  function wrappers(): Wrapper[] {
    const sorted = [...accounts.all].sort((a, b) => (a.account < b.account ? -1 : 1));
    const ofAccounts = sorted.slice(0, MAX_ACCOUNTS).map(({ account, secret, token }) => ({
      account: nameOf(account),
      // External tokens have no secret. The token of the console is one too.
      secret: secret || token,
    }));
    return storeSecret ? [{ account: nameOf('store'), secret: storeSecret }, ...ofAccounts] : ofAccounts;
  }

  const decryptWith = (wrapper: Wrapper, copies: EncryptedCopies): string | undefined => {
    const text = Object.hasOwn(copies, wrapper.account) ? copies[wrapper.account] : undefined;
    return text === undefined ? undefined : decryptAtRest(wrapper, text);
  };
  const encryptWith = (all: readonly Wrapper[], secret: string): EncryptedCopies =>
    Object.fromEntries(all.map((wrapper) => [wrapper.account, encryptAtRest(wrapper, secret)]));

  const decrypt = (copies: EncryptedCopies): string | undefined =>
    wrappers()
      .map((wrapper) => decryptWith(wrapper, copies))
      .find((secret) => secret !== undefined);

  return {
    encrypt: (secret) => encryptWith(wrappers(), secret),
    decrypt,
    renew: (copies) => {
      const all = wrappers();
      const isUpToDate =
        all.length === Object.keys(copies).length &&
        all.every((one) => decryptWith(one, copies) !== undefined);
      const secret = isUpToDate ? undefined : decrypt(copies);
      return secret === undefined ? undefined : encryptWith(all, secret);
    },
  };
}
