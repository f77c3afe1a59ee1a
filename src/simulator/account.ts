/** The accounts of the simulated WeChat. The secrets here protect nothing. */
import type { Account } from '../account.ts';
import type { SimulatedComponent } from './api/components.ts';

/** Returns the one account that `npm start` and the demo use. */
export function simulatedAccount(concurrency: number): Account {
  return {
    account: 'wx5101a7ed00000000',
    product: 'official',
    name: 'simulated',
    appId: 'wx5101a7ed00000000',
    secret: 'simulated-app-secret-0123456789ab',
    token: 'simulatedtoken',
    encodingAesKey: 'simulatedSimulatedSimulatedSimulatedSimulat',
    requireEncryption: true,
    concurrency,
  };
}

/** Returns one account of every product, for `npm run simulator`. */
export function simulatedAccounts(concurrency: number): readonly Account[] {
  const official = simulatedAccount(concurrency);
  return [
    official,
    {
      ...official,
      account: 'wx5101a7ed00000001',
      product: 'miniprogram',
      name: 'simulated-miniprogram',
      appId: 'wx5101a7ed00000001',
      secret: 'simulated-app-secret-of-a-miniprogram',
    },
    {
      ...official,
      account: 'ww5101a7ed00000002-1000002',
      product: 'wecom',
      name: 'simulated-wecom',
      appId: 'ww5101a7ed00000002',
      secret: 'simulated-corp-secret-of-one-agent',
    },
  ];
}

/** The third-party platform that the official account authorised. */
export const SIMULATED_COMPONENT: SimulatedComponent = {
  appId: 'wx5101a7ed0000000c',
  secret: 'simulated-component-secret',
  token: 'componenttoken',
  encodingAesKey: 'componentComponentComponentComponentCompone',
  authorizers: ['wx5101a7ed00000000'],
};

/** Returns the text of an ACCOUNTS_FILE with these accounts. */
export function accountsFileOf(accounts: readonly Account[]): string {
  const entries = accounts.map((account) => ({
    product: account.product,
    ...(account.product === 'wecom'
      ? { corpId: account.appId, agentId: account.account.slice(account.appId.length + 1) }
      : { appId: account.appId }),
    name: account.name,
    secret: account.secret,
    token: account.token,
    encodingAesKey: account.encodingAesKey,
  }));
  return `${JSON.stringify(entries, null, 2)}\n`;
}
