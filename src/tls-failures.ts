/** Explains why TLS failed, for every kind of connection. One table maps error codes to explanations. */
import type { Explanation } from './explanation.ts';

export type TlsReason = 'expired' | 'not_yet_valid' | 'untrusted' | 'other_host' | 'no_tls' | 'refused';

/** The other end of a connection: its name in texts, and the variables that may have to be changed after a failure. */
export interface TlsPlace {
  readonly name: { readonly en: string; readonly zh: string };
  /** The variable (or field) that contains the address. */
  readonly address: { readonly en: string; readonly zh: string };
  /** The variable for additional certificate authorities. */
  readonly authority: string;
}

const place = (
  en: string,
  zh: string,
  address: string | TlsPlace['address'],
  authority = 'NODE_EXTRA_CA_CERTS',
): TlsPlace => ({
  name: { en, zh },
  address: typeof address === 'string' ? { en: address, zh: address } : address,
  authority,
});

export const TLS_PLACES = {
  database: place('the database', '数据库', 'DATABASE_URL', 'DATABASE_CA_FILE'),
  redis: place('Redis', 'Redis', 'REDIS_URL', 'REDIS_CA_FILE'),
  store: place('the storage', '对象存储', 'S3_ENDPOINT', 'S3_CA_FILE'),
  storeLinks: place('the public address of the storage', '签名链接中的对象存储', 'S3_PUBLIC_ENDPOINT'),
  wechat: place(
    'WeChat',
    '微信',
    {
      en: 'WECHAT_API_BASE_URL or WECOM_API_BASE_URL',
      zh: 'WECHAT_API_BASE_URL 或 WECOM_API_BASE_URL',
    },
    'WECHAT_CA_FILE',
  ),
  proxy: place('the proxy', '代理', 'WECHAT_PROXY', 'WECHAT_CA_FILE'),
  alerts: place('the receiver of alerts', '告警接收方', 'ALERT_URL'),
  tokens: place('the source of access tokens', 'access_token 来源', {
    en: 'the url of tokenSource',
    zh: 'tokenSource 的 url',
  }),
  upstream: place('the handler', '回调处理服务', 'upstreamUrl'),
  server: place('the server', '服务端', 'WMA_URL'),
} as const;

/** The names of OpenSSL and Node: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const REASONS: Readonly<Record<string, TlsReason>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not_yet_valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'untrusted',
  CERT_UNTRUSTED: 'untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'other_host',
  HOSTNAME_MISMATCH: 'other_host',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no_tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no_tls',
  ERR_SSL_HTTP_REQUEST: 'no_tls',
  CERT_SIGNATURE_FAILURE: 'refused',
  CERT_CHAIN_TOO_LONG: 'refused',
  CERT_REVOKED: 'refused',
  CERT_REJECTED: 'refused',
  INVALID_CA: 'refused',
  INVALID_PURPOSE: 'refused',
  PATH_LENGTH_EXCEEDED: 'refused',
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'refused',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: 'refused',
  ERROR_IN_CERT_NOT_AFTER_FIELD: 'refused',
  ERROR_IN_CERT_NOT_BEFORE_FIELD: 'refused',
  EPROTO: 'refused',
};

/** OpenSSL's messages with the code EPROTO, if the server does not use TLS. */
const PLAIN = /wrong version number|packet length too long|http request/i;
/** The message of node-postgres, which has no code, if the server responded with N to the request for TLS. */
const NO_TLS = /^The server does not support SSL connections$/;

export interface TlsFailure {
  readonly reason: TlsReason;
  /** OpenSSL's name of the error, so that users can search for it. */
  readonly code: string;
}

/** Returns why TLS failed, from `error` or its causes; undefined if the error is not about TLS. */
export function tlsFailureOf(error: unknown, depth = 0): TlsFailure | undefined {
  if (!(error instanceof Error) || depth > 5) return undefined;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') {
    const reason = REASONS[code] ?? (/^ERR_(SSL|OSSL)_/.test(code) ? 'refused' : undefined);
    if (reason) return { reason: code === 'EPROTO' && PLAIN.test(error.message) ? 'no_tls' : reason, code };
  } else if (NO_TLS.test(error.message)) return { reason: 'no_tls', code: 'NO_SSL' };
  const inner = error instanceof AggregateError ? [error.cause, ...error.errors] : [error.cause];
  for (const cause of inner) {
    const found = tlsFailureOf(cause, depth + 1);
    if (found) return found;
  }
  return undefined;
}

/** Whether the configuration must be changed, and not a certificate or a clock. */
export const isTlsMisconfigured = ({ reason }: TlsFailure): boolean =>
  reason !== 'expired' && reason !== 'not_yet_valid';

const EXPLANATIONS: Readonly<Record<TlsReason, (at: TlsPlace) => Explanation>> = {
  expired: ({ name, address }) => ({
    message: { en: `The certificate of ${name.en} has expired.`, zh: `${name.zh}的证书已过期。` },
    advice: {
      en: `Renew the certificate behind ${address.en}; if it is valid, set this machine's clock by NTP.`,
      zh: `请更新 ${address.zh} 所指服务的证书；若证书有效，请用 NTP 校准本机时钟。`,
    },
  }),
  not_yet_valid: ({ name, address }) => ({
    message: { en: `The certificate of ${name.en} is not valid yet.`, zh: `${name.zh}的证书尚未生效。` },
    advice: {
      en: `Set this machine's clock by NTP; if it is correct, replace the certificate behind ${address.en}.`,
      zh: `请用 NTP 校准本机时钟；若时钟正确，请更正 ${address.zh} 所指服务的证书。`,
    },
  }),
  untrusted: ({ name, address, authority }) => ({
    message: {
      en: `The certificate of ${name.en} is signed by an authority that this machine does not trust.`,
      zh: `${name.zh}的证书由本机不信任的机构签发。`,
    },
    advice: {
      en: `Set ${authority} to the authority's certificate (PEM), or correct ${address.en}.`,
      zh: `请通过 ${authority} 提供签发机构的证书（PEM），或更正 ${address.zh}。`,
    },
  }),
  other_host: ({ name, address }) => ({
    message: {
      en: `The certificate of ${name.en} is for another host name.`,
      zh: `${name.zh}的证书与主机名不符。`,
    },
    advice: {
      en: `Use the host name of the certificate in ${address.en}, or get a certificate for this host name.`,
      zh: `请在 ${address.zh} 中使用证书所含的主机名，或为该主机名签发证书。`,
    },
  }),
  no_tls: ({ name, address }) => ({
    message: { en: `The port of ${name.en} does not support TLS.`, zh: `${name.zh}的端口不支持 TLS。` },
    advice: {
      en: `Correct the port in ${address.en}, or use its form without TLS (http, redis, sslmode=disable).`,
      zh: `请更正 ${address.zh} 中的端口，或改用不带 TLS 的写法（http、redis、sslmode=disable）。`,
    },
  }),
  refused: ({ name, address, authority }) => ({
    message: { en: `The TLS handshake with ${name.en} failed.`, zh: `与${name.zh}的 TLS 握手失败。` },
    advice: {
      en: `Check the certificate and the TLS versions behind ${address.en}; an additional authority can be set in ${authority}.`,
      zh: `请检查 ${address.zh} 所指服务的证书与 TLS 版本；其他签发机构可通过 ${authority} 提供。`,
    },
  }),
};

export const explainTls = (reason: TlsReason, at: TlsPlace): Explanation => EXPLANATIONS[reason](at);

/**
 * Returns a sentence with message and advice; undefined if the error is not about TLS. It contains no part of the
 * address.
 */
export function tlsSentence(error: unknown, at: TlsPlace): string | undefined {
  const tlsFailure = tlsFailureOf(error);
  if (!tlsFailure) return undefined;
  const { message, advice } = explainTls(tlsFailure.reason, at);
  return `${message.en.replace(/\.$/, '')} (${tlsFailure.code}). ${advice.en}`;
}
