/**
 * The failures of media items, which every layer uses: their classes, and those that are not an errcode of WeChat. The
 * errcodes are in wechat/api/errcode-table.ts.
 */
import type { Explanation } from './explanation.ts';
import { storableLine } from './storable.ts';
import { STORE_FAILURES } from './store-failures.ts';
import { explainTls, TLS_PLACES, type TlsPlace, type TlsReason } from './tls-failures.ts';

/** The class decides what happens after a failure; see docs/errcodes.md. */
export type FailureClass =
  | 'token'
  | 'transient'
  | 'minute_limit'
  | 'day_quota'
  | 'permanent_media'
  | 'account'
  | 'store'
  | 'unknown';

export type { Explanation };

/** A failure as it is stored in a row, an attempt and a dead-letter group. Plain JSON without secrets. */
export interface Failure {
  /** A stable name for programs: `invalid_media_id`, `body_too_short`, … */
  readonly code: string;
  readonly class: FailureClass;
  /** WeChat's error number, if it sent one. */
  readonly errcode?: number;
  /** WeChat's error text, redacted and cut to 300 characters. */
  readonly errmsg?: string;
  /** Tencent's request id; their support asks for it. */
  readonly rid?: string;
  /** Where the failure happened, for logs: `HTTP 502 from store`. Redacted, at most 300 characters. */
  readonly detail?: string;
}

/** An error with its failure. `retryAfterMs`: the delay that the other side requested (Retry-After). */
export class FailureError extends Error {
  override readonly name = 'FailureError';
  readonly failure: Failure;
  readonly retryAfterMs: number | undefined;
  constructor(failure: Failure, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(`${failure.code}${failure.detail ? `: ${failure.detail}` : ''}`, { cause: options.cause });
    this.failure = failure;
    this.retryAfterMs = options.retryAfterMs;
  }
}

interface FailureRow extends Explanation {
  readonly class: FailureClass;
}

const row = (
  failureClass: FailureClass,
  en: string,
  zh: string,
  adviceEn: string,
  adviceZh: string,
): FailureRow => ({ class: failureClass, message: { en, zh }, advice: { en: adviceEn, zh: adviceZh } });

const RETRIED = ['Nothing to do: it is retried automatically.', '无需处理：系统会自动重试。'] as const;

const ofStore = <Rows extends Readonly<Record<string, Explanation>>>(rows: Rows) =>
  Object.fromEntries(Object.entries(rows).map(([code, words]) => [code, { class: 'store', ...words }])) as {
    readonly [Code in keyof Rows]: FailureRow;
  };
const TLS_REASONS = ['expired', 'not_yet_valid', 'untrusted', 'other_host', 'no_tls', 'refused'] as const;

/** One failure for each reason why TLS was refused. */
const tlsRows = <P extends string>(prefix: P, failureClass: FailureClass, at: TlsPlace) =>
  Object.fromEntries(
    TLS_REASONS.map((reason) => [`${prefix}_${reason}`, { class: failureClass, ...explainTls(reason, at) }]),
  ) as Record<`${P}_${TlsReason}`, FailureRow>;

/** Failures that are not an errcode. */
export const FAILURES = {
  network: row(
    'transient',
    'The connection to WeChat failed or was interrupted.',
    '与微信的连接失败或中断。',
    ...RETRIED,
  ),
  timeout: row('transient', 'WeChat did not respond in time.', '微信未在规定时间内响应。', ...RETRIED),
  /**
   * Spends no attempt, because the certificate does not depend on the item. Such failures of a link's host are
   * `transient`.
   */
  ...tlsRows('tls', 'account', TLS_PLACES.wechat),
  proxy_unauthenticated: row(
    'account',
    'The proxy of WECHAT_PROXY requires a user and a password, or refuses the configured ones (407).',
    'WECHAT_PROXY 所指代理要求认证，或拒绝了所提供的用户名和密码（407）。',
    'Set them in WECHAT_PROXY, percent-encoded: http://user:password@proxy.example.com:3128.',
    '请在 WECHAT_PROXY 中填写百分号编码的用户名和密码：http://user:password@proxy.example.com:3128。',
  ),
  proxy_refused: row(
    'account',
    'The proxy of WECHAT_PROXY does not allow this connection (403).',
    'WECHAT_PROXY 所指代理不允许该连接（403）。',
    'Allow in the proxy CONNECT to port 443, and GET over http to port 80, for the host in the detail.',
    '请在代理上放行 detail 中的主机：443 端口的 CONNECT，以及 80 端口的 http GET。',
  ),
  proxy_unfit: row(
    'account',
    'The server of WECHAT_PROXY does not act as a proxy (405 or similar).',
    'WECHAT_PROXY 所指服务器不具备代理功能（如返回 405）。',
    'Set WECHAT_PROXY to an HTTP proxy that allows CONNECT; a web server or a SOCKS proxy does not work.',
    '请将 WECHAT_PROXY 设为允许 CONNECT 的 HTTP 代理；网站服务器或 SOCKS 代理不可用。',
  ),
  proxy_tls: row(
    'account',
    'The TLS handshake with the proxy of WECHAT_PROXY failed.',
    '与 WECHAT_PROXY 所指代理的 TLS 握手失败。',
    "Set WECHAT_CA_FILE to the certificate of the proxy's authority, correct the host name, or use http://.",
    '请通过 WECHAT_CA_FILE 提供代理证书的签发机构证书，更正其主机名，或改用 http://。',
  ),
  proxy_failed: row(
    'transient',
    'The proxy of WECHAT_PROXY does not respond, or cannot reach WeChat.',
    'WECHAT_PROXY 所指代理无响应，或无法连通目标。',
    'It is retried automatically. If it lasts, check that the proxy runs and can reach the Internet; see its log.',
    '系统会自动重试；若持续出现，请检查代理是否运行并能访问外网（详见代理日志）。',
  ),
  http_status: row('transient', 'WeChat responded with an HTTP error.', '微信返回了 HTTP 错误。', ...RETRIED),
  body_too_short: row(
    'transient',
    'The file ended before its announced length.',
    '文件内容短于声明的长度。',
    ...RETRIED,
  ),
  body_too_long: row(
    'transient',
    'The file is longer than its announced length.',
    '文件内容超出声明的长度。',
    ...RETRIED,
  ),
  body_empty: row('transient', 'WeChat sent an empty file.', '微信返回了空文件。', ...RETRIED),
  body_not_media: row(
    'transient',
    'WeChat sent a page or a text instead of the file.',
    '微信返回的是网页或文本，而不是文件。',
    ...RETRIED,
  ),
  body_encoded: row(
    'transient',
    'WeChat sent compressed bytes that were not requested.',
    '微信返回了未请求的压缩内容。',
    ...RETRIED,
  ),
  bytes_differ: row(
    'transient',
    'Two downloads of a file without a known length returned different bytes.',
    '对长度未知的文件下载两次，内容不一致。',
    ...RETRIED,
  ),
  malformed_answer: row(
    'transient',
    'The response of WeChat cannot be parsed.',
    '微信的响应无法解析。',
    ...RETRIED,
  ),
  video_link_failed: row(
    'transient',
    'The link that WeChat sent for a video did not work; a new one is requested.',
    '微信提供的视频链接不可用，将重新获取。',
    ...RETRIED,
  ),
  address_refused: row(
    'permanent_media',
    'The link points to an address from which this service does not download.',
    '该链接指向本服务不允许访问的地址。',
    'If the address is trusted, add it to FETCH_ALLOW_HOSTS and redrive.',
    '如确认该地址可信，请加入 FETCH_ALLOW_HOSTS 后重新归档。',
  ),
  too_large: row(
    'permanent_media',
    'The file is larger than MAX_MEDIA_BYTES.',
    '文件大小超过 MAX_MEDIA_BYTES。',
    'Raise MAX_MEDIA_BYTES (and BYTE_BUDGET, if it is smaller) and redrive before the item expires.',
    '请调大 MAX_MEDIA_BYTES（必要时同时调大 BYTE_BUDGET），并在素材过期前重新归档。',
  ),
  not_downloadable: row(
    'permanent_media',
    'Official accounts receive no media id for file messages, so they cannot be downloaded.',
    '公众号收到的文件消息不带 media_id，微信未提供下载方式。',
    'Ask the user to send the file as a picture or video, or by another channel.',
    '请让用户改为发送图片、视频，或使用其他渠道。',
  ),
  token_unavailable: row(
    'transient',
    'No access token is available.',
    '无法获取 access_token。',
    'The dashboard shows the reason at the account.',
    '请在控制台查看该账号的状态及原因。',
  ),
  account_unknown: row(
    'account',
    'The account of this media item is no longer configured.',
    '该素材所属的账号已不在配置中。',
    'Add the account to ACCOUNTS_FILE again; its items wait until they expire.',
    '请把该账号重新加入 ACCOUNTS_FILE；素材会等待直至过期。',
  ),
  held_by_hand: row(
    'account',
    'This account was put on hold by hand.',
    '该账号已被人工暂停。',
    'Release it on the page or with DELETE /v1/accounts/{account}/hold.',
    '可在页面上恢复，或调用 DELETE /v1/accounts/{account}/hold。',
  ),
  ...ofStore(STORE_FAILURES),
  expired: row(
    'permanent_media',
    'WeChat deletes media items after three days, which have passed.',
    '微信仅保留素材三天，现已过期。',
    'The file cannot be recovered. If many items expired, find out when and why archiving stopped.',
    '无法找回。若大量出现，请检查归档停滞的时间和原因。',
  ),
  interrupted: row(
    'transient',
    'The worker stopped during the attempt.',
    '处理过程中工作进程停止。',
    ...RETRIED,
  ),
  internal: row(
    'unknown',
    'An unexpected error occurred in the archiver.',
    '归档服务内部出现意外错误。',
    'See the log around this time and report it.',
    '请查看该时间附近的日志并反馈。',
  ),
} as const satisfies Record<string, FailureRow>;

export type FailureCode = keyof typeof FAILURES;

/** Returns the error for one of {@link FAILURES}. */
export function failure(
  code: FailureCode,
  detail?: string,
  options: { cause?: unknown; retryAfterMs?: number } = {},
): FailureError {
  return new FailureError(
    { code, class: FAILURES[code].class, ...(detail ? { detail: storableLine(detail, 300) } : {}) },
    options,
  );
}
