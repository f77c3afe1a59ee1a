/** The secrets of the configuration, which are removed from every log line. */
import { secretsOf } from '../../account.ts';
import type { Config } from '../config.ts';
import { passwordsOf } from './environment.ts';
import { secretsOfUrl } from './secret-url.ts';

/** Returns all secrets, for createLog. The id of an access key is not secret: every signed link contains it. */
export function configSecrets(config: Config): string[] {
  const { database, redis, s3, wechat, alerts, webhooks, traces } = config;
  const secrets = [
    ...config.apiKeys.map((key) => key.secret),
    ...config.accounts.flatMap(secretsOf),
    ...[database.url, redis.url, wechat.proxyUrl].flatMap((url) => passwordsOf(url ?? '')),
    s3?.secretAccessKey,
    s3?.sessionToken,
    ...(alerts.url ? secretsOfUrl(alerts.url) : []),
    webhooks.configured?.secret,
    ...(webhooks.configured ? secretsOfUrl(webhooks.configured.url) : []),
    ...(traces?.secrets ?? []),
  ];
  return [...new Set(secrets.filter((secret) => secret !== undefined))];
}
