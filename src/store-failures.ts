/**
 * The failures of the store, with advice that names the variable to change. All have the class `store` of failures.ts.
 * A refusal must be corrected by a person; an unavailable store is often available again without a change.
 */
import type { Explanation } from './explanation.ts';

const words = (en: string, zh: string, adviceEn: string, adviceZh: string): Explanation => ({
  message: { en, zh },
  advice: { en: adviceEn, zh: adviceZh },
});

export const STORE_FAILURES = {
  store_unavailable: words(
    'The storage did not respond or responded with an error.',
    '对象存储无响应或返回错误。',
    'It is retried automatically. If it lasts, check S3_ENDPOINT and that the storage is up.',
    '系统会自动重试；若持续出现，请检查 S3_ENDPOINT 及存储服务状态。',
  ),
  store_unreachable: words(
    'The connection to the storage is refused, or nothing responds at its address.',
    '无法连接对象存储：连接被拒绝，或该地址无响应。',
    'Correct the host and port in S3_ENDPOINT, start the storage, or open the firewall to it.',
    '请检查 S3_ENDPOINT 的主机和端口，启动存储服务，或放通防火墙。',
  ),
  store_host_unknown: words(
    'The host of the storage has no address in the DNS.',
    '对象存储的域名无法解析。',
    'Correct S3_ENDPOINT (or S3_REGION and S3_BUCKET, if the host contains them; S3_ADDRESSING=path, if the vendor does not support bucket hosts), or the DNS of this machine.',
    '请检查 S3_ENDPOINT（若主机名由 S3_REGION、S3_BUCKET 组成，也请检查它们；不支持桶域名的存储请设 S3_ADDRESSING=path），或本机 DNS。',
  ),
  store_tls: words(
    'The secure connection to the storage failed: its certificate is not accepted, or the port does not support TLS.',
    '无法与对象存储建立安全连接：证书不被信任，或该端口不支持 TLS。',
    "Compare S3_ENDPOINT (name, port, http or https) with the certificate, and this machine's clock; set S3_CA_FILE to the certificate of your own authority.",
    '请核对 S3_ENDPOINT 的域名、端口和协议与证书是否一致；并检查本机时钟；自有签发机构的证书请通过 S3_CA_FILE 提供。',
  ),
  store_not_s3: words(
    'The server at S3_ENDPOINT is not an S3 service.',
    'S3_ENDPOINT 上响应的不是 S3 服务。',
    'Set S3_ENDPOINT to the address of the S3 API, not of a console, a website or a proxy, and check whether it must be http or https.',
    '请将 S3_ENDPOINT 设为 S3 API 的地址（不是控制台、网站或前置代理），并确认使用 http 还是 https。',
  ),
  store_bucket_missing: words(
    'The bucket does not exist.',
    '存储桶不存在。',
    'Create the bucket, or correct S3_BUCKET (and S3_REGION, S3_ENDPOINT, if it is elsewhere).',
    '请创建存储桶，或更正 S3_BUCKET（若桶在其他地域，请更正 S3_REGION、S3_ENDPOINT）。',
  ),
  store_key_unknown: words(
    'The storage does not know the access key, or it is disabled.',
    '对象存储不认识该访问密钥，或密钥已停用。',
    'Correct S3_ACCESS_KEY_ID, or enable the key at the vendor.',
    '请更正 S3_ACCESS_KEY_ID，或在云厂商处启用该密钥。',
  ),
  store_secret_wrong: words(
    'The storage does not accept the signature: the secret does not belong to the access key.',
    '对象存储不接受签名：密钥与 AccessKey ID 不匹配。',
    'Correct S3_SECRET_ACCESS_KEY; if it is correct, check S3_REGION, and proxies that change requests.',
    '请更正 S3_SECRET_ACCESS_KEY；若无误，请检查 S3_REGION，以及途中改写请求的代理。',
  ),
  store_session_ended: words(
    'The temporary credentials of the storage have ended or are not valid.',
    '对象存储的临时凭证已过期或无效。',
    'Renew S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and S3_SESSION_TOKEN together, or use a key that does not expire.',
    '请同时更新 S3_ACCESS_KEY_ID、S3_SECRET_ACCESS_KEY 与 S3_SESSION_TOKEN，或改用长期密钥。',
  ),
  store_elsewhere: words(
    'The bucket is in another region, or at another address.',
    '存储桶位于其他地域或地址。',
    "Correct S3_REGION and S3_ENDPOINT: the vendor's console shows the values of the bucket.",
    '请更正 S3_REGION 和 S3_ENDPOINT，以云厂商控制台显示的为准。',
  ),
  store_addressing: words(
    'The storage requires another addressing style for the bucket.',
    '对象存储要求以其他方式指定存储桶。',
    'Set S3_ADDRESSING=virtual (or path), or S3_PRESET to the vendor.',
    '请设置 S3_ADDRESSING=virtual（或 path），或将 S3_PRESET 设为对应厂商。',
  ),
  store_suspended: words(
    'The vendor has suspended the storage, perhaps because a payment is due.',
    '云厂商已停用该存储服务，可能因为欠费。',
    'Pay the vendor or contact its support; archiving then continues automatically.',
    '请在云厂商处处理账户（如充值），之后会自动恢复归档。',
  ),
  clock_skewed: words(
    "This machine's clock is wrong: the storage refuses requests whose signing time differs too much.",
    '本机时钟不准：对象存储拒绝签名时间偏差过大的请求。',
    "Set the clock of this machine by NTP (chrony, systemd-timesyncd); archiving then continues automatically. If this machine's clock is correct, the clock of the storage is wrong.",
    '请用 NTP（chrony、systemd-timesyncd）校准本机时钟，之后会自动恢复归档；若本机时钟正确，则是存储端时钟有误。',
  ),
  store_full: words(
    'The storage is full: its quota is used up.',
    '对象存储配额已用尽，不再接受写入。',
    'Raise the quota of the bucket or of its owner, or delete objects; archiving then continues automatically.',
    '请提高存储桶或其所有者的配额，或清理空间，之后会自动恢复归档。',
  ),
  store_body_refused: words(
    'The storage, or a proxy in front of it, refuses bodies of this size.',
    '对象存储或其前置代理拒绝该大小的请求体。',
    'Allow bodies of 9 MiB in the proxy in front of the storage (nginx: client_max_body_size).',
    '请在前置代理中允许 9 MiB 的请求体（nginx：client_max_body_size）。',
  ),
  store_refused: words(
    'The storage refused the request.',
    '对象存储拒绝了请求。',
    'Check the rights of the access key on S3_BUCKET: POST /v1/doctor (wma doctor) checks each right and names the missing one.',
    '请检查访问密钥对 S3_BUCKET 的权限：POST /v1/doctor（wma doctor）会逐项检查并指出缺失的权限。',
  ),
  store_mismatch: words(
    'The stored object does not have the length that was sent.',
    '存储后的对象长度与发送的不一致。',
    'Nothing to do: it is retried automatically.',
    '无需处理：系统会自动重试。',
  ),
  disk_full: words(
    'Free space in DATA_DIR is below the floor.',
    'DATA_DIR 可用空间低于下限。',
    'Free space on the disk; archiving then continues automatically.',
    '请清理磁盘空间，之后会自动恢复归档。',
  ),
} as const satisfies Record<string, Explanation>;

export type StoreFailureCode = keyof typeof STORE_FAILURES;

/** Failures after which an immediate retry may succeed: no response, overload, a network that is down. */
const UNAVAILABLE: ReadonlySet<string> = new Set<StoreFailureCode>([
  'store_unavailable',
  'store_unreachable',
  'store_host_unknown',
]);

/** Failures in which the store is neither unavailable nor refusing: a full disk or a wrong length. */
const OTHER: ReadonlySet<string> = new Set<StoreFailureCode>(['store_mismatch', 'disk_full']);

export const isStoreAway = (code: string): boolean => UNAVAILABLE.has(code);

/** Whether a person must correct the store or its address. */
export const isStoreRefusal = (code: string): boolean =>
  code in STORE_FAILURES && !UNAVAILABLE.has(code) && !OTHER.has(code);
