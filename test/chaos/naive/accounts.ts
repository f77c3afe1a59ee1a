/** What both programs of the naive way read from their environment. */
import { readFileSync } from 'node:fs';
import type { NaiveAccount } from './callback.ts';

export const QUEUE = 'archive';
export const redisUrl = process.env.REDIS_URL ?? '';

interface Entry {
  product: string;
  appId?: string;
  corpId?: string;
  agentId?: string;
  secret: string;
  token: string;
  encodingAesKey: string;
}

export const accounts: readonly NaiveAccount[] = (
  JSON.parse(readFileSync(process.env.ACCOUNTS_FILE ?? '', 'utf8')) as Entry[]
).map((entry) => ({
  ...entry,
  appId: entry.appId ?? entry.corpId ?? '',
  account: entry.appId ?? `${entry.corpId}-${entry.agentId}`,
}));
