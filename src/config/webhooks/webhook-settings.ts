/** The settings of webhooks: the endpoint of WEBHOOK_URL, and which private hosts may be reached. */
import type { Values } from '../schema.ts';
import type { ReadEnvironment, ReportMistake } from '../values/environment.ts';
import type { AllowList } from '../values/kinds.ts';

export interface WebhookSettings {
  /** The endpoint of WEBHOOK_URL and its signing secret. */
  readonly configured: { readonly url: string; readonly secret: string } | undefined;
  readonly allowed: AllowList;
}

/** Reports one of the two variables without the other. */
export function checkWebhooks({ isSet }: Pick<ReadEnvironment, 'isSet'>, report: ReportMistake): void {
  const pair = ['WEBHOOK_URL', 'WEBHOOK_SECRET'] as const;
  const missing = pair.filter((name) => !isSet(name));
  if (missing.length !== 1) return;
  const other = pair.find((name) => name !== missing[0]);
  report(missing[0]!, `is missing, although ${other} is set`);
}

export function webhookSettings(
  values: Pick<Values, 'WEBHOOK_URL' | 'WEBHOOK_SECRET' | 'WEBHOOK_ALLOW_HOSTS'>,
): WebhookSettings {
  const { WEBHOOK_URL: url, WEBHOOK_SECRET: secret, WEBHOOK_ALLOW_HOSTS: allowed } = values;
  return {
    configured: url && secret ? { url, secret } : undefined,
    allowed: allowed ?? { hosts: [], networks: [] },
  };
}
