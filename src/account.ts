/** A WeChat account as configured. Its secrets are only here, in memory. */

export const PRODUCTS = ['official', 'miniprogram', 'wecom'] as const;
export type Product = (typeof PRODUCTS)[number];

/**
 * The source of an account's access token. Tokens of the first four types are managed tokens: this service requests
 * them, and its processes share them. The others are external tokens: another program issues them, and this service
 * only reads them.
 */
export type TokenSource =
  /** Official accounts and mini programs. A request neither refreshes the token nor invalidates another one. */
  | { readonly type: 'stable_token' }
  /** The older /cgi-bin/token. Each response invalidates the previous token. */
  | { readonly type: 'token' }
  /** The token call of WeCom. */
  | { readonly type: 'gettoken' }
  /** A third-party platform. The `secret` of the account is the platform's secret. */
  | { readonly type: 'component'; readonly componentAppId: string; readonly refreshToken?: string }
  /** A string, or a `field` of a hash, in the formats of the common SDKs. */
  | { readonly type: 'redis'; readonly url: string; readonly key: string; readonly field?: string }
  | {
      readonly type: 'http';
      readonly url: string;
      /** The value of the Authorization header. */
      readonly authorization?: string;
      /** Receives a POST request when WeChat has refused a token. */
      readonly reportUrl?: string;
    }
  | { readonly type: 'static'; readonly accessToken: string };

export interface Account {
  /** The account's identity at WeChat, which never changes: appId (WeCom: corpId-agentId). */
  readonly account: string;
  readonly product: Product;
  /** A label that can be used instead of the identity. It is never stored. */
  readonly name?: string;
  /** For WeCom the corp id. */
  readonly appId: string;
  /** Empty for external tokens. */
  readonly secret: string;
  /** Default: stable_token; for WeCom gettoken. */
  readonly tokenSource?: TokenSource;
  /** The token that was typed into WeChat's console. WeChat signs callbacks with it. */
  readonly token: string;
  /** 43 characters; absent in plain mode. */
  readonly encodingAesKey?: string;
  readonly previousEncodingAesKey?: string;
  /** The account's own handler. Callbacks are forwarded to it, and WeChat gets its response. */
  readonly upstreamUrl?: string;
  /**
   * The response to WeChat if that handler fails: `fail` (default) is 504, so that WeChat sends the callback again; or
   * `success`.
   */
  readonly upstreamOnFailure?: 'fail' | 'success';
  /** Whether callbacks are refused if their body is not encrypted. */
  readonly requireEncryption: boolean;
  /** How many downloads of this account may run at once in one process. */
  readonly concurrency: number;
}

export const tokenSourceOf = (account: Pick<Account, 'product' | 'tokenSource'>): TokenSource =>
  account.tokenSource ?? { type: account.product === 'wecom' ? 'gettoken' : 'stable_token' };

/**
 * Returns the app id at the end of an encrypted callback. For a third-party platform it is the platform's id, not the
 * id of the account.
 */
export const callbackAppIdOf = (account: Pick<Account, 'appId' | 'tokenSource'>): string =>
  account.tokenSource?.type === 'component' ? account.tokenSource.componentAppId : account.appId;

/** Returns all values of an account that must not appear in logs. */
export function secretsOf(account: Account): string[] {
  const { tokenSource: source } = account;
  const secrets = [
    account.secret,
    account.token,
    account.encodingAesKey,
    account.previousEncodingAesKey,
    // The address of a handler often contains its key.
    account.upstreamUrl,
    ...(source?.type === 'component' ? [source.refreshToken] : []),
    ...(source?.type === 'redis' ? [source.url, passwordOf(source.url)] : []),
    ...(source?.type === 'http' ? [source.url, source.reportUrl, source.authorization] : []),
    ...(source?.type === 'static' ? [source.accessToken] : []),
  ];
  return secrets.filter((secret) => secret !== undefined && secret !== '') as string[];
}

function passwordOf(url: string): string | undefined {
  const password = URL.parse(url)?.password;
  try {
    return password && decodeURIComponent(password);
  } catch {
    return password;
  }
}

export interface Accounts {
  readonly all: readonly Account[];
  /** Finds an account by its identity or its name. */
  find(accountOrName: string): Account | undefined;
  /** Replaces known accounts by their new configuration. New accounts need a restart. */
  renew(accounts: readonly Account[]): void;
}

export function createAccounts(configured: readonly Account[]): Accounts {
  let all = configured;
  let byNameOrId = indexOf(all);
  return {
    get all() {
      return all;
    },
    find: (nameOrId) => byNameOrId.get(nameOrId),
    renew: (accounts) => {
      const renewed = indexOf(accounts);
      all = all.map((old) => renewed.get(old.account) ?? old);
      byNameOrId = indexOf(all);
    },
  };
}

function indexOf(all: readonly Account[]): ReadonlyMap<string, Account> {
  const byNameOrId = new Map<string, Account>();
  for (const account of all) if (account.name) byNameOrId.set(account.name, account);
  for (const account of all) byNameOrId.set(account.account, account);
  return byNameOrId;
}
