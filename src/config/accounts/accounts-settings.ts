/** From WECHAT_… and ACCOUNTS_FILE to accounts, and from API_KEYS to keys that know them. */
import type { Account } from '../../account.ts';
import type { ApiKey } from '../api-keys.ts';
import type { ReadEnvironment, ReadFile, Say } from '../values/environment.ts';
import { accountOf, parseAccounts } from './accounts-file.ts';

/** From WECHAT_… (one) or ACCOUNTS_FILE (several); empty where neither is set, or after a mistake that was said. */
export function configuredAccounts(
  { given, values }: ReadEnvironment,
  production: boolean,
  readFile: ReadFile,
  say: Say,
): Account[] {
  const defaults = { production, concurrency: values.ACCOUNT_CONCURRENCY ?? 1 };
  const {
    WECHAT_APP_ID: appId,
    WECHAT_APP_SECRET: secret,
    WECHAT_TOKEN: token,
    ACCOUNTS_FILE: path,
  } = values;
  const single = (['WECHAT_APP_SECRET', 'WECHAT_TOKEN', 'WECHAT_ENCODING_AES_KEY'] as const).filter(given);
  if (given('ACCOUNTS_FILE')) {
    for (const name of given('WECHAT_APP_ID') ? (['WECHAT_APP_ID'] as const) : single) {
      say(name, 'is set, and ACCOUNTS_FILE too: put the account into the file');
    }
    return path ? readAccountsFile(path, defaults, readFile, say) : [];
  }
  if (!given('WECHAT_APP_ID')) {
    if (single[0]) say('WECHAT_APP_ID', `is missing, although ${single[0]} is set`);
    return [];
  }
  for (const name of ['WECHAT_APP_SECRET', 'WECHAT_TOKEN'] as const) {
    if (!given(name)) say(name, 'is missing, although WECHAT_APP_ID is set');
  }
  if (!appId || !secret || !token) return [];
  return [accountOf({ appId, secret, token, encodingAesKey: values.WECHAT_ENCODING_AES_KEY }, defaults)];
}

function readAccountsFile(
  path: string,
  defaults: { production: boolean; concurrency: number },
  readFile: ReadFile,
  say: Say,
): Account[] {
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    say('ACCOUNTS_FILE', `cannot be read: ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    return [];
  }
  const { accounts, wrong } = parseAccounts(text, { ...defaults, path, readFile });
  for (const problem of wrong) say('ACCOUNTS_FILE', problem);
  return accounts;
}

/** Keys whose accounts are named by identity. Without real accounts there is nothing to compare with. */
export function withAccounts(keys: readonly ApiKey[], accounts: readonly Account[], say: Say): ApiKey[] {
  if (accounts.length === 0) return [...keys];
  return keys.map((key, index) => {
    if (!key.accounts) return key;
    const resolved = key.accounts.map((word) => {
      const found = accounts.find(({ account, name }) => account === word || name === word);
      if (!found) say('API_KEYS', `entry ${index + 1}: names an account that is not configured`);
      return found?.account ?? word;
    });
    return { ...key, accounts: resolved };
  });
}
