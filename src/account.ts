/** A WeChat account as configured. Secrets live here and in memory only. */

export const PRODUCTS = ['official', 'miniprogram', 'wecom'] as const;
export type Product = (typeof PRODUCTS)[number];

/**
 * Where an account's access token comes from. Tokens of the first four types are managed: requested by us and shared by
 * our processes. The others are external tokens: issued by another program, and only read.
 */
export type TokenSource =
  /** Official accounts and mini programs. A request neither refreshes the token nor invalidates another one. */
  | { readonly type: 'stable_token' }
  /** The classic /cgi-bin/token: each response invalidates the token before it. */
  | { readonly type: 'token' }
  /** WeCom. */
  | { readonly type: 'gettoken' }
  /** A third-party platform; the account's `secret` is the platform's. */
  | { readonly type: 'component'; readonly componentAppId: string; readonly refreshToken?: string }
  /** A string, or a `field` of a hash, as the common SDKs store it. */
  | { readonly type: 'redis'; readonly url: string; readonly key: string; readonly field?: string }
  | {
      readonly type: 'http';
      readonly url: string;
      /** Value of the Authorization header. */
      readonly authorization?: string;
      /** Receives a POST when WeChat refused a token. */
      readonly reportUrl?: string;
    }
  | { readonly type: 'static'; readonly accessToken: string };

export interface Account {
  /** The platform's identity, never changes: appId (WeCom: corpId-agentId). */
  readonly account: string;
  readonly product: Product;
  /** A label accepted wherever an account is expected; never stored. */
  readonly name?: string;
  /** WeCom: the corp id. */
  readonly appId: string;
  /** Empty for external tokens. */
  readonly secret: string;
  /** Default: stable_token, for WeCom gettoken. */
  readonly tokenSource?: TokenSource;
  /** The token typed into WeChat's console; signs callbacks. */
  readonly token: string;
  /** 43 characters; absent in plain mode. */
  readonly encodingAesKey?: string;
  readonly previousEncodingAesKey?: string;
  /** The owner's handler, to which callbacks are forwarded and whose response WeChat gets. */
  readonly upstreamUrl?: string;
  /** The response to WeChat when that handler fails: `fail` (default) is 504, so WeChat sends again; or `success`. */
  readonly upstreamOnFailure?: 'fail' | 'success';
  /** Refuse callbacks whose body is not encrypted. */
  readonly requireEncryption: boolean;
  /** How many downloads of this account may run at once in one process. */
  readonly concurrency: number;
}

export const tokenSourceOf = (account: Pick<Account, 'product' | 'tokenSource'>): TokenSource =>
  account.tokenSource ?? { type: account.product === 'wecom' ? 'gettoken' : 'stable_token' };

/** Returns the id at the end of an encrypted callback: of a third-party platform its own, not that of the account. */
export const callbackAppIdOf = (account: Pick<Account, 'appId' | 'tokenSource'>): string =>
  account.tokenSource?.type === 'component' ? account.tokenSource.componentAppId : account.appId;

/** Returns everything about an account that must stay out of logs. */
export function secretsOf(account: Account): string[] {
  const { tokenSource: source } = account;
  const secrets = [
    account.secret,
    account.token,
    account.encodingAesKey,
    account.previousEncodingAesKey,
    // The address of a handler often carries its key.
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
  let byWord = indexOf(all);
  return {
    get all() {
      return all;
    },
    find: (word) => byWord.get(word),
    renew: (accounts) => {
      const renewed = indexOf(accounts);
      all = all.map((old) => renewed.get(old.account) ?? old);
      byWord = indexOf(all);
    },
  };
}

function indexOf(all: readonly Account[]): ReadonlyMap<string, Account> {
  const byWord = new Map<string, Account>();
  for (const account of all) if (account.name) byWord.set(account.name, account);
  for (const account of all) byWord.set(account.account, account);
  return byWord;
}
