/** Reads the accounts from WECHAT_… or ACCOUNTS_FILE, and resolves the accounts named in API_KEYS. */
import type { Account } from '../../account.ts';
import type { ApiKey } from '../api-keys.ts';
import type { ReadEnvironment, ReadFile, ReportMistake } from '../values/environment.ts';
import { accountOf, parseAccounts } from './accounts-file.ts';

/**
 * Returns the account of WECHAT_… or the accounts of ACCOUNTS_FILE; none if neither is set or after a reported mistake.
 */
export function configuredAccounts(
  { isSet, values }: ReadEnvironment,
  production: boolean,
  readFile: ReadFile,
  report: ReportMistake,
): Account[] {
  const defaults = { production, concurrency: values.ACCOUNT_CONCURRENCY ?? 1 };
  const {
    WECHAT_APP_ID: appId,
    WECHAT_APP_SECRET: secret,
    WECHAT_TOKEN: token,
    ACCOUNTS_FILE: path,
  } = values;
  const single = (['WECHAT_APP_SECRET', 'WECHAT_TOKEN', 'WECHAT_ENCODING_AES_KEY'] as const).filter(isSet);
  if (isSet('ACCOUNTS_FILE')) {
    for (const name of isSet('WECHAT_APP_ID') ? (['WECHAT_APP_ID'] as const) : single) {
      report(name, 'is set, and ACCOUNTS_FILE too: put the account into the file');
    }
    return path ? readAccountsFile(path, defaults, readFile, report) : [];
  }
  if (!isSet('WECHAT_APP_ID')) {
    if (single[0]) report('WECHAT_APP_ID', `is missing, although ${single[0]} is set`);
    return [];
  }
  for (const name of ['WECHAT_APP_SECRET', 'WECHAT_TOKEN'] as const) {
    if (!isSet(name)) report(name, 'is missing, although WECHAT_APP_ID is set');
  }
  if (!appId || !secret || !token) return [];
  return [accountOf({ appId, secret, token, encodingAesKey: values.WECHAT_ENCODING_AES_KEY }, defaults)];
}

function readAccountsFile(
  path: string,
  defaults: { production: boolean; concurrency: number },
  readFile: ReadFile,
  report: ReportMistake,
): Account[] {
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    report('ACCOUNTS_FILE', `cannot be read: ${path} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    return [];
  }
  const { accounts, wrong } = parseAccounts(text, { ...defaults, path, readFile });
  for (const problem of wrong) report('ACCOUNTS_FILE', problem);
  return accounts;
}

/** Replaces account names in keys by identities. Without real accounts the keys are not changed. */
export function withAccounts(
  keys: readonly ApiKey[],
  accounts: readonly Account[],
  report: ReportMistake,
): ApiKey[] {
  if (accounts.length === 0) return [...keys];
  return keys.map((key, index) => {
    if (!key.accounts) return key;
    const resolved = key.accounts.map((word) => {
      const found = accounts.find(({ account, name }) => account === word || name === word);
      if (!found) report('API_KEYS', `entry ${index + 1}: names an account that is not configured`);
      return found?.account ?? word;
    });
    return { ...key, accounts: resolved };
  });
}
