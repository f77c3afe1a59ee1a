/** All error responses of the API: status, title, and advice in two languages. */

interface ProblemRow {
  readonly status: number;
  readonly title: string;
  readonly advice: { readonly en: string; readonly zh: string };
}

const row = (status: number, title: string, en: string, zh: string): ProblemRow => ({
  status,
  title,
  advice: { en, zh },
});

export const PROBLEMS = {
  preview_unsupported: row(
    415,
    'Files of this format have no preview',
    'The reason is in reason; GET /v1/media/{id}/content returns the file itself.',
    '原因见 reason；可通过 GET /v1/media/{id}/content 获取原文件。',
  ),
  preview_refused: row(
    422,
    'The file cannot be shown as a preview',
    'The reason is in reason. The archived file is unchanged: GET /v1/media/{id}/content returns it.',
    '原因见 reason。归档文件未受影响，可通过 GET /v1/media/{id}/content 获取。',
  ),
  preview_busy: row(
    503,
    'Too many previews are being made',
    'Send it again after Retry-After; the file itself is at /v1/media/{id}/content meanwhile.',
    '请在 Retry-After 之后重试；其间可通过 /v1/media/{id}/content 获取原文件。',
  ),
  preview_failed: row(
    503,
    'The process that makes previews could not start, or was ended from outside',
    'Send it again after Retry-After. If it lasts, the log has the reason (preview: converter failed), and this machine may have too little memory.',
    '请在 Retry-After 之后重试。若持续出现，原因见日志（preview: converter failed），也可能是本机内存不足。',
  ),
  invalid_request: row(
    400,
    'The request does not match the schema',
    'Correct the fields named under errors; /docs describes each field.',
    '请按 errors 中列出的字段修改；各字段说明见 /docs。',
  ),
  unknown_account: row(
    400,
    'The account is not configured',
    'Use the appId (or the configured name) of an account in ACCOUNTS_FILE or WECHAT_APP_ID.',
    '请使用 ACCOUNTS_FILE 或 WECHAT_APP_ID 中已配置账号的 appId（或名称）。',
  ),
  invalid_cursor: row(
    400,
    'The cursor is not one of this list',
    'Use nextCursor or previousCursor of a page of this list with the same sort; leave it out for the first page.',
    '请使用本列表某一页返回的 nextCursor 或 previousCursor，并保持相同的 sort；第一页请省略该参数。',
  ),
  cursor_expired: row(
    410,
    'The cursor is older than the events that are kept',
    'Events were dropped after EVENT_RETENTION. Go on with oldestCursor, and compare what you have with GET /v1/media?sort=updatedAt&updatedFrom=….',
    '该游标之后的部分事件已超过 EVENT_RETENTION，不再保留。请从 oldestCursor 继续，并通过 GET /v1/media?sort=updatedAt&updatedFrom=… 核对已有数据。',
  ),
  malformed_message: row(
    400,
    'The callback body is not a message of WeChat',
    'WeChat sends flat XML or JSON without DOCTYPE or entities; check the proxies between WeChat and this server.',
    '微信推送为不含 DOCTYPE 和自定义实体的 XML 或 JSON；请检查微信与本服务之间的代理。',
  ),
  webhook_address: row(
    400,
    'Webhooks cannot be sent to this address',
    'The rule is in rule and under errors. Addresses of your own network must be in WEBHOOK_ALLOW_HOSTS.',
    '违反的规则见 rule 与 errors。内网地址须加入 WEBHOOK_ALLOW_HOSTS。',
  ),
  unauthorized: row(
    401,
    'A key is needed',
    'Send Authorization: Bearer <secret> with a secret of API_KEYS, or sign in with a link of wma login.',
    '请在请求头中携带 Authorization: Bearer <密钥>（见 API_KEYS），或打开 wma login 生成的登录链接。',
  ),
  forbidden: row(
    403,
    'The key does not allow this',
    'Use a key with the required scope, or for this account.',
    '请使用具备所需权限范围或账号权限的密钥。',
  ),
  bad_signature: row(
    403,
    'The signature is not valid',
    "Compare the Token in WeChat's console with the one configured; they must be exactly the same.",
    '请核对微信后台填写的 Token 与本服务配置是否完全一致。',
  ),
  stale_timestamp: row(
    403,
    'The timestamp is too far from now',
    "Set this machine's clock by NTP; WeChat's timestamps are never older than a few minutes.",
    '请用 NTP 校准本机时钟；微信推送的时间戳不会早于几分钟之前。',
  ),
  encryption_required: row(
    403,
    'This account accepts only encrypted callbacks',
    "Choose the safe mode in WeChat's console, or set requireEncryption to false.",
    '请在微信后台选择安全模式，或将 requireEncryption 设为 false。',
  ),
  encryption_key_missing: row(
    403,
    'The callback is encrypted and no key is configured',
    "Copy EncodingAESKey from WeChat's console into WECHAT_ENCODING_AES_KEY.",
    '请将微信后台的 EncodingAESKey 填入 WECHAT_ENCODING_AES_KEY。',
  ),
  cannot_decrypt: row(
    403,
    'The callback cannot be decrypted',
    "Compare EncodingAESKey and AppID with WeChat's console.",
    '请核对 EncodingAESKey 与 AppID 是否与微信后台一致。',
  ),
  not_found: row(404, 'No route has this address', 'See /docs for the routes.', '可用的接口见 /docs。'),
  media_not_found: row(
    404,
    'No media item has this id',
    'Search by mediaId or msgId: GET /v1/media?mediaId=…',
    '可通过 mediaId 或 msgId 查询：GET /v1/media?mediaId=…',
  ),
  object_missing: row(
    404,
    'The media item is archived, but its object is no longer in the bucket',
    'It was deleted by hand or by a lifecycle rule; restore it from a backup of the bucket. wma verify --all lists all missing objects.',
    '该对象可能被人工或生命周期规则删除；请从存储桶备份中恢复。wma verify --all 可列出所有缺失的对象。',
  ),
  erasure_not_found: row(
    404,
    'No erasure has this id',
    'The response of POST /v1/erasures contains the id.',
    '该 id 由 POST /v1/erasures 返回。',
  ),
  redrive_not_found: row(
    404,
    'No redrive has this id',
    'GET /v1/redrives lists the latest ones.',
    '可通过 GET /v1/redrives 查看最近的重新归档。',
  ),
  webhook_not_found: row(
    404,
    'No webhook endpoint has this id',
    'GET /v1/webhooks lists the endpoints of the key.',
    '可通过 GET /v1/webhooks 查看该密钥可用的接收地址。',
  ),
  delivery_not_found: row(
    404,
    'The endpoint has no delivery with this id',
    'GET /v1/webhooks/{id}/deliveries lists them; those that ended longer ago than EVENT_RETENTION are removed.',
    '可通过 GET /v1/webhooks/{id}/deliveries 查看；结束时间超过 EVENT_RETENTION 的投递会被删除。',
  ),
  account_not_found: row(
    404,
    'No account has this id',
    "The callback URL ends in the appId of a configured account; compare it with WeChat's console.",
    '回调地址应以已配置账号的 appId 结尾，请与微信后台核对。',
  ),
  method_not_allowed: row(405, 'The route does not support this method', 'See /docs.', '请参见 /docs。'),
  conflict: row(
    409,
    'The status of the media item does not allow this',
    'Only dead media items can be redriven, and expired ones with force: true.',
    '只有 dead 状态的素材可以重新归档；expired 状态需指定 force: true。',
  ),
  webhook_configured: row(
    409,
    'This endpoint comes from WEBHOOK_URL',
    'Change WEBHOOK_URL and WEBHOOK_SECRET and start the server again, or create another endpoint.',
    '请修改 WEBHOOK_URL 与 WEBHOOK_SECRET 并重启服务，或另行创建接收地址。',
  ),
  webhook_limit: row(
    409,
    'There are as many webhook endpoints as there may be',
    'Delete endpoints that are not needed, or let one receiver pass events on.',
    '请删除不再需要的接收地址，或由一个接收地址转发事件。',
  ),
  replay_too_large: row(
    409,
    'The replay has more events than may be pending for one endpoint',
    'Choose a shorter time; matched and room are the numbers. Read GET /v1/events for larger amounts.',
    '请缩短时间范围，数量见 matched 与 room；数量较大时请读取 GET /v1/events。',
  ),
  not_archived: row(
    409,
    'The media item is not archived yet',
    'Send it again when its status is archived; waiting says why it is still pending.',
    '请待其状态变为 archived 后再试；waiting 说明了仍为 pending 的原因。',
  ),
  erasure_kept: row(
    409,
    'The media item is erased in the catalogue, but the storage refuses to delete the objects listed under left',
    'Locked versions are deleted when their retention ends; remove a legal hold, or grant the right to delete versions. It is retried automatically.',
    '被锁定的版本在保留期结束后会自动删除；请解除依法保留，或授予删除版本的权限。系统会自动重试。',
  ),
  media_gone: row(
    410,
    'This media item will not be available',
    'The reason is in failure; a dead item can be redriven with POST /v1/media/{id}/retry.',
    '原因见 failure；dead 状态可通过 POST /v1/media/{id}/retry 重新归档。',
  ),
  body_too_large: row(413, 'The body is too large', 'Send a smaller body.', '请减小请求体。'),
  unsupported_type: row(
    415,
    'The route does not support this content type',
    'Send application/json.',
    '请使用 application/json。',
  ),
  range_not_satisfiable: row(
    416,
    'The range is outside the file',
    'Compare it with sizeBytes.',
    '请参考 sizeBytes。',
  ),
  too_many_requests: row(
    429,
    'Too many requests',
    'Send it again after Retry-After.',
    '请在 Retry-After 之后重试。',
  ),
  export_running: row(
    429,
    'Another export is in progress',
    'Wait until it ends, or close its download; each key may run one at a time, and each server a few.',
    '请等待其完成，或取消该下载；每个密钥同时只能导出一个，每台服务器同时导出的数量也有限。',
  ),
  internal: row(
    500,
    'Something unexpected happened',
    'Read the log around this time and report it.',
    '请查看该时间附近的日志并反馈。',
  ),
  alerts_off: row(
    409,
    'No address for alerts is configured',
    'Set ALERT_URL to the address of a robot of WeCom, DingTalk or Feishu, or to any that accepts JSON.',
    '请将 ALERT_URL 设为企业微信、钉钉或飞书机器人的地址，或任意接收 JSON 的地址。',
  ),
  alert_not_sent: row(
    502,
    'The address of ALERT_URL did not accept the alert',
    "Its response is in detail; compare the address, the keyword and the signing secret with the robot's settings.",
    'detail 为对方返回的内容；请核对机器人地址、关键词与签名密钥。',
  ),
  store_refused: row(
    502,
    'The storage refuses to return the file',
    'The reason is in failure; POST /v1/doctor (wma doctor) checks each right of the access key.',
    '原因见 failure；POST /v1/doctor（wma doctor）会逐项检查访问密钥的权限。',
  ),
  store_unavailable: row(
    503,
    'The storage does not respond',
    'Try again in a moment; /readyz shows what is unavailable.',
    '请稍后重试；/readyz 会显示不可用的组件。',
  ),
  database_away: row(
    503,
    'The catalogue does not respond now',
    'Send it again in a moment; nothing was stored.',
    '请稍后重新发送；本次内容未保存。',
  ),
  upstream_failed: row(
    504,
    'The handler behind this server did not reply in time',
    'Check the handler of upstreamUrl; WeChat sends the message again, and its media items are archived in any case.',
    '请检查 upstreamUrl 对应的处理服务；微信会重新推送，素材归档不受影响。',
  ),
  not_written: row(
    504,
    'The media items of this callback could not be written in time',
    'Check the catalogue database: /readyz shows what is unavailable. WeChat sends the message again.',
    '请检查元数据库（/readyz 会显示不可用的组件）；微信会重新推送该消息。',
  ),
  starting: row(
    503,
    'The service is starting',
    'Send it again after Retry-After; nothing was stored. The terminal of npm start shows when it is ready.',
    '服务正在启动，请在 Retry-After 之后重新发送；本次内容未保存。就绪后 npm start 的终端会显示。',
  ),
  overloaded: row(
    503,
    'The server is overloaded',
    'Send it again after Retry-After; nothing was stored.',
    '请在 Retry-After 之后重新发送；本次内容未保存。',
  ),
} as const satisfies Record<string, ProblemRow>;

export type ProblemCode = keyof typeof PROBLEMS;
