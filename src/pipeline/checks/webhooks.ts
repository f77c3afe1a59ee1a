/** Checks of webhook endpoints. */
import type { WebhookEndpoint } from '../../catalogue/webhooks/endpoint-row.ts';
import { hostOf } from '../../catalogue/webhooks/endpoints.ts';
import { DISABLED_TEXTS, explainDeliveryFailure } from '../webhooks/delivery-failures.ts';
import { type Check, fixedText, type NamedFinding } from './check.ts';

const findingOf = (endpoint: WebhookEndpoint, since: Date | undefined, reason: string) => ({
  target: endpoint.id,
  ...(since ? { since } : {}),
  detail: { host: hostOf(endpoint.url), reason },
});
const nameOf = ({ target, detail }: NamedFinding) => `${detail.host ?? '…'} (${target})`;
const chineseNameOf = ({ target, detail }: NamedFinding) => `${detail.host ?? '…'}（${target}）`;

export const WEBHOOK_CHECKS = {
  webhook_failing: {
    severity: 'warning',
    component: 'webhooks',
    target: 'webhook',
    rule: 'No delivery to a webhook endpoint has succeeded for an hour, and at least one has failed. Ends with the next success.',
    begun: (it) => {
      const why = explainDeliveryFailure(String(it.detail.reason ?? 'network'));
      return {
        en: `Webhooks to ${nameOf(it)} have been failing for an hour or longer: ${why.en}`,
        zh: `发往 ${chineseNameOf(it)}的 webhook 已连续失败一小时以上：${why.zh}`,
      };
    },
    ended: (it) => ({
      en: `Webhooks to ${nameOf(it)} arrive again, or it is disabled.`,
      zh: `发往 ${chineseNameOf(it)}的 webhook 已恢复，或该接收地址已停用。`,
    }),
    advice: fixedText(
      'Test it with POST /v1/webhooks/{id}/test (wma webhooks test). Deliveries are sent again for five days; after five days without a success the endpoint is disabled.',
      '请用 POST /v1/webhooks/{id}/test（wma webhooks test）测试。投递会在五天内继续重试；连续五天没有成功时接收地址会被停用。',
    ),
    find: ({ webhooks }) =>
      webhooks?.failing.map((one) => findingOf(one, one.failingSince, one.lastFailure?.reason ?? 'network')),
  },
  webhook_disabled: {
    severity: 'error',
    component: 'webhooks',
    target: 'webhook',
    rule: 'A webhook endpoint was disabled by the program: it responded 410, or failed for five days. Ends when it is enabled or deleted.',
    begun: (it) => {
      const why = it.detail.reason === 'gone' ? DISABLED_TEXTS.gone : DISABLED_TEXTS.failing;
      return {
        en: `The webhook endpoint ${nameOf(it)} is disabled. ${why.en}`,
        zh: `webhook 接收地址 ${chineseNameOf(it)}已停用。${why.zh}`,
      };
    },
    ended: (it) => ({
      en: `The webhook endpoint ${nameOf(it)} is enabled again, or deleted.`,
      zh: `webhook 接收地址 ${chineseNameOf(it)}已重新启用或删除。`,
    }),
    advice: fixedText(
      'Enable it when it works (wma webhooks enable): it goes on with the first event that it has not got, while EVENT_RETENTION keeps it. Or delete it.',
      '恢复后请重新启用（wma webhooks enable），将从未收到的第一个事件继续，前提是事件仍在 EVENT_RETENTION 保留期内；不再需要时请删除。',
    ),
    find: ({ webhooks }) =>
      webhooks?.disabled.map((one) => findingOf(one, one.disabled?.at, one.disabled?.reason ?? 'failing')),
  },
} as const satisfies Record<string, Check>;
