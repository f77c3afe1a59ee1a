/** Provides the access tokens of all accounts. The configuration of an account names the source of its token. */
import { type Account, tokenSourceOf } from '../../account.ts';
import type { WechatApi } from '../api/client.ts';
import { createComponentTokens, type SecretStore } from './component-tokens.ts';
import { createExternalTokens } from './external-tokens.ts';
import {
  type AccessToken,
  createManagedTokens,
  type ManagedTokensDeps,
  type ManagedTokensOptions,
  type StoredToken,
  type TokenStore,
  type Tokens as TokensOf,
} from './managed-tokens.ts';
import { GETTOKEN_PAUSE_MS, REFRESH_PAUSE_MS, REQUEST_PAUSE_MS } from './refresh-policy.ts';

export type { AccessToken, StoredToken, TokenStore };

export interface Tokens extends TokensOf<Account> {
  /** Closes the Redis and HTTP connections to external token sources. */
  close(): Promise<void>;
}

export interface TokensDeps
  extends Pick<ManagedTokensDeps<Account>, 'store' | 'clock' | 'lifetimes' | 'log'> {
  api: Pick<WechatApi, 'requestToken' | 'call'>;
  /** Needed only for accounts of a third-party platform. */
  secrets?: SecretStore;
}

export function createTokens(deps: TokensDeps, options: ManagedTokensOptions = {}): Tokens {
  const { scale } = deps.lifetimes;
  const managed = createManagedTokens<Account>(
    { ...deps, requestToken: deps.api.requestToken, pauseMs: (account) => scale(pauseMsOf(account)) },
    options,
  );
  const component = createComponentTokens(deps, options);
  const external = createExternalTokens(deps);
  const sourceOf = (account: Account): TokensOf<Account> => {
    switch (tokenSourceOf(account).type) {
      case 'component':
        return component;
      case 'redis':
      case 'http':
      case 'static':
        return external;
      default:
        return managed;
    }
  };
  return {
    get: (account, signal) => sourceOf(account).get(account, signal),
    reportRefused: (account, token, signal) => sourceOf(account).reportRefused(account, token, signal),
    reportAccepted: (account) => sourceOf(account).reportAccepted(account),
    close: external.close,
  };
}

function pauseMsOf(account: Account): number {
  const { type } = tokenSourceOf(account);
  if (type === 'token') return REFRESH_PAUSE_MS;
  return type === 'gettoken' ? GETTOKEN_PAUSE_MS : REQUEST_PAUSE_MS;
}
