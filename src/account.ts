/** A WeChat account as configured. Secrets live here and in memory only. */

export const PRODUCTS = ['official', 'miniprogram', 'wecom'] as const;
export type Product = (typeof PRODUCTS)[number];

/**
 * Where an account's access token comes from. The first four are asked for by us and shared by our processes; the
 * others belong to somebody else, and are only read.
 */
export type TokenSource =
  /** Official accounts and mini programs; asking neither refreshes nor steals. */
  | { readonly type: 'stable_token' }
  /** The classic /cgi-bin/token: each answer voids the token before it. */
  | { readonly type: 'token' }
  /** WeCom. */
  | { readonly type: 'gettoken' }
  /** Of a third-party platform; `secret` of the account is the platform's. */
  | { readonly type: 'component'; readonly componentAppId: string; readonly refreshToken?: string }
  /** A string, or a `field` of a hash, as the common SDKs keep it. */
  | { readonly type: 'redis'; readonly url: string; readonly key: string; readonly field?: string }
  | {
      readonly type: 'http';
      readonly url: string;
      /** Value of the Authorization header. */
      readonly authorization?: string;
      /** POSTed to when WeChat refused a token. */
      readonly reportUrl?: string;
    }
  | { readonly type: 'static'; readonly accessToken: string };

export interface Account {
  /** The platform's identity, never changes: appId (WeCom: corpId-agentId). */
  readonly account: string;
  readonly product: Product;
  /** A label accepted wherever an account is asked for; never stored. */
  readonly name?: string;
  /** WeCom: the corp id. */
  readonly appId: string;
  /** Empty where the token comes from somebody else. */
  readonly secret: string;
  /** Absent: stable_token, for WeCom gettoken. */
  readonly tokenSource?: TokenSource;
  /** The token typed into WeChat's console; signs callbacks. */
  readonly token: string;
  /** 43 characters; absent in plain mode. */
  readonly encodingAesKey?: string;
  readonly previousEncodingAesKey?: string;
  /** A handler of the owner's that callbacks are passed on to, and whose reply WeChat gets. */
  readonly upstreamUrl?: string;
  /** What WeChat is told where that handler fails: absent or `fail`, 504 and so send again; `success`. */
  readonly upstreamOnFailure?: 'fail' | 'success';
  /** Refuse callbacks whose body is not encrypted. */
  readonly requireEncryption: boolean;
  /** Downloads of this account at once, in one process. */
  readonly concurrency: number;
}

export const tokenSourceOf = (account: Pick<Account, 'product' | 'tokenSource'>): TokenSource =>
  account.tokenSource ?? { type: account.product === 'wecom' ? 'gettoken' : 'stable_token' };

/** The id at the end of an encrypted callback: a third-party platform's own, not that of the account it is about. */
export const callbackAppIdOf = (account: Pick<Account, 'appId' | 'tokenSource'>): string =>
  account.tokenSource?.type === 'component' ? account.tokenSource.componentAppId : account.appId;

/** Everything about an account that no log line may show. */
export function secretsOf(account: Account): string[] {
  const { tokenSource: source } = account;
  const secrets = [
    account.secret,
    account.token,
    account.encodingAesKey,
    account.previousEncodingAesKey,
    // Handlers are kept private by a key in their address.
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
  /** By identity or by name. */
  find(accountOrName: string): Account | undefined;
  /** Accounts known already, as they are configured by now. New ones want a restart. */
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
