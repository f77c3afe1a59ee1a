/** The account of the simulated WeChat. What looks like secrets here protects nothing. */
import type { Account } from '../account.ts';

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
