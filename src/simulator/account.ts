/** The accounts of the simulated WeChat. What looks like secrets here protects nothing. */
import type { Account } from '../account.ts';
import type { SimulatedComponent } from './api/components.ts';

/** The one account that `npm start` and the demo use. */
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

/** One account of every product, for the simulator as a program of its own. */
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

/** A third-party platform that the official account authorised. */
export const SIMULATED_COMPONENT: SimulatedComponent = {
  appId: 'wx5101a7ed0000000c',
  secret: 'simulated-component-secret',
  token: 'componenttoken',
  encodingAesKey: 'componentComponentComponentComponentCompone',
  authorizers: ['wx5101a7ed00000000'],
};

/** The accounts as ACCOUNTS_FILE wants them. */
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
