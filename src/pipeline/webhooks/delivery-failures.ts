/** Why an attempt to deliver failed: the reason as it is stored, and its sentence. Never a text of the endpoint. */
import type { DisabledReason } from '../../catalogue/webhooks/endpoint-row.ts';
import type { Explanation } from '../../explanation.ts';

const row = (en: string, zh: string): Explanation['message'] => ({ en, zh });

export const DELIVERY_FAILURES = {
  status: row('The endpoint responded with a status other than 2xx.', '接收地址返回的状态码不是 2xx。'),
  redirect: row(
    'The endpoint redirects. Redirects are not followed: enter the address that it leads to.',
    '接收地址返回了重定向。本服务不跟随重定向，请直接填写最终地址。',
  ),
  gone: row(
    'The endpoint responded 410 Gone: it wants no more webhooks.',
    '接收地址返回 410 Gone，表示不再接收 webhook。',
  ),
  timeout: row(
    'The endpoint did not respond completely within 15 seconds. Answer first, and work afterwards.',
    '接收地址未在 15 秒内完成响应。请先返回响应，再处理事件。',
  ),
  dns: row('The name of the endpoint cannot be resolved.', '无法解析接收地址的域名。'),
  refused: row(
    'The endpoint refuses connections: nothing listens there.',
    '接收地址拒绝连接，该地址没有服务在监听。',
  ),
  unreachable: row('The endpoint cannot be reached from here.', '从本机无法访问接收地址。'),
  reset: row('The connection was closed before the response was complete.', '连接在响应完成之前被关闭。'),
  tls: row(
    "The endpoint's certificate is not trusted. For one that an authority of your own signed, set NODE_EXTRA_CA_CERTS.",
    '接收地址的证书不受信任。如由自有机构签发，请设置 NODE_EXTRA_CA_CERTS。',
  ),
  malformed: row(
    'The response is not HTTP, or its headers are too long.',
    '响应不是有效的 HTTP，或响应头过长。',
  ),
  address_refused: row(
    'The address is not public. Private ones must be in WEBHOOK_ALLOW_HOSTS.',
    '该地址不是公网地址。内网地址须加入 WEBHOOK_ALLOW_HOSTS。',
  ),
  secret_unreadable: row(
    'The signing secret cannot be decrypted: the secrets of the configuration were replaced all at once. Rotate the secret of the endpoint.',
    '无法解密签名密钥：配置中的密钥被同时全部更换。请轮换该接收地址的签名密钥。',
  ),
  network: row('The connection failed.', '连接失败。'),
} as const satisfies Record<string, Explanation['message']>;

export type DeliveryFailure = keyof typeof DELIVERY_FAILURES;

/** A newer release may have stored reasons that are unknown here. */
export const explainDeliveryFailure = (reason: string): Explanation['message'] =>
  Object.hasOwn(DELIVERY_FAILURES, reason)
    ? DELIVERY_FAILURES[reason as DeliveryFailure]
    : DELIVERY_FAILURES.network;

/** Why an endpoint is disabled. */
export const DISABLED_TEXTS = {
  by_hand: row('It was disabled by hand.', '已手动停用。'),
  gone: row(
    'The endpoint responded 410 Gone, which means that it wants no more webhooks.',
    '接收地址返回了 410 Gone，表示不再接收 webhook，已停用。',
  ),
  failing: row('Every delivery failed for five days.', '连续五天投递全部失败，已自动停用。'),
  not_configured: row(
    'WEBHOOK_URL is not set any more. With WEBHOOK_URL it goes on where it was.',
    'WEBHOOK_URL 已不再设置。重新设置后将从中断处继续。',
  ),
} as const satisfies Record<DisabledReason, Explanation['message']>;
