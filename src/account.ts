/** A WeChat account as configured. Secrets live here and in memory only. */

export const PRODUCTS = ['official', 'miniprogram', 'wecom'] as const;
export type Product = (typeof PRODUCTS)[number];

export interface Account {
  /** The platform's identity, never changes: appId (WeCom: corpId-agentId). */
  readonly account: string;
  readonly product: Product;
  /** A label accepted wherever an account is asked for; never stored. */
  readonly name?: string;
  readonly appId: string;
  readonly secret: string;
  /** The token typed into WeChat's console; signs callbacks. */
  readonly token: string;
  /** 43 characters; absent in plain mode. */
  readonly encodingAesKey?: string;
  readonly previousEncodingAesKey?: string;
  /** Refuse callbacks whose body is not encrypted. */
  readonly requireEncryption: boolean;
  /** Downloads of this account at once, in one process. */
  readonly concurrency: number;
}

export interface Accounts {
  readonly all: readonly Account[];
  /** By identity or by name. */
  find(accountOrName: string): Account | undefined;
}

export function createAccounts(all: readonly Account[]): Accounts {
  const byWord = new Map<string, Account>();
  for (const account of all) if (account.name) byWord.set(account.name, account);
  for (const account of all) byWord.set(account.account, account);
  return { all, find: (word) => byWord.get(word) };
}
