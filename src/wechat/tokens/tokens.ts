/** Access tokens of every account, wherever they come from. */
import { type Account, tokenSourceOf } from '../../account.ts';
import type { WechatApi } from '../api/client.ts';
import { createComponentTokens, type KeptSecrets } from './component-tokens.ts';
import { createSuppliedTokens } from './external-tokens.ts';
import {
  type AccessToken,
  createSharedTokens,
  type SharedTokensDeps,
  type SharedTokensOptions,
  type StoredToken,
  type TokenStore,
  type Tokens as TokensOf,
} from './managed-tokens.ts';
import { ASK_PAUSE_MS, GETTOKEN_PAUSE_MS, REFRESH_PAUSE_MS } from './refresh-policy.ts';

export type { AccessToken, StoredToken, TokenStore };

export interface Tokens extends TokensOf<Account> {
  /** Lets go of the Redis and HTTP connections of supplied tokens. */
  close(): Promise<void>;
}

export interface TokensDeps extends Pick<SharedTokensDeps<Account>, 'store' | 'clock' | 'lifetimes' | 'log'> {
  api: Pick<WechatApi, 'askToken' | 'call'>;
  /** Needed for accounts of a third-party platform only. */
  kept?: KeptSecrets;
}

export function createTokens(deps: TokensDeps, options: SharedTokensOptions = {}): Tokens {
  const { scale } = deps.lifetimes;
  const shared = createSharedTokens<Account>(
    { ...deps, ask: deps.api.askToken, pauseMs: (account) => scale(pauseMsOf(account)) },
    options,
  );
  const component = createComponentTokens(deps, options);
  const supplied = createSuppliedTokens(deps);
  const sourceOf = (account: Account): TokensOf<Account> => {
    switch (tokenSourceOf(account).type) {
      case 'component':
        return component;
      case 'redis':
      case 'http':
      case 'static':
        return supplied;
      default:
        return shared;
    }
  };
  return {
    get: (account, signal) => sourceOf(account).get(account, signal),
    reportBad: (account, token, signal) => sourceOf(account).reportBad(account, token, signal),
    reportGood: (account) => sourceOf(account).reportGood(account),
    close: supplied.close,
  };
}

function pauseMsOf(account: Account): number {
  const { type } = tokenSourceOf(account);
  if (type === 'token') return REFRESH_PAUSE_MS;
  return type === 'gettoken' ? GETTOKEN_PAUSE_MS : ASK_PAUSE_MS;
}
