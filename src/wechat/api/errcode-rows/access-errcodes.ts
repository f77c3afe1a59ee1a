/** Errcodes of the class `account` about credentials, addresses and the form of the request. */
import { type Meaning, meaning, REPORT, scope } from './meaning.ts';

export const ACCESS_ERRCODES: readonly Meaning[] = [
  meaning(
    'app_secret_wrong',
    'account',
    [scope('official', 'token', 40001), scope('official', 'any', 40125), scope('wecom', 'any', 40001, 40091)],
    ['The secret is wrong or belongs to another account.', '密钥（AppSecret）错误或不属于该账号。'],
    [
      "Copy the secret from WeChat's console again. If it was reset there, the old secret is no longer valid.",
      '请从微信后台重新复制密钥；若曾在后台重置，旧密钥即失效。',
    ],
  ),
  meaning(
    'app_secret_frozen',
    'account',
    [scope('any', 'any', 40243)],
    ['The secret of this account is frozen.', '该账号的 AppSecret 已被冻结。'],
    [
      "Unfreeze it in WeChat's console. It takes about ten minutes to take effect.",
      '请在微信后台解冻，约十分钟后生效。',
    ],
  ),
  meaning(
    'app_id_invalid',
    'account',
    [scope('any', 'any', 40013)],
    ['The app id or corp id is invalid.', 'AppID 或 CorpID 无效。'],
    [
      'Check WECHAT_APP_ID or the account in ACCOUNTS_FILE.',
      '请检查 WECHAT_APP_ID 或 ACCOUNTS_FILE 中的账号。',
    ],
  ),
  meaning(
    'app_credentials_missing',
    'account',
    [scope('any', 'any', 41002, 41004)],
    ['The request contained no app id or no secret.', '请求缺少 appid 或 secret。'],
    ['Check WECHAT_APP_ID and WECHAT_APP_SECRET.', '请检查 WECHAT_APP_ID 和 WECHAT_APP_SECRET。'],
  ),
  meaning(
    'token_grant_invalid',
    'account',
    [scope('any', 'any', 40002)],
    ['WeChat rejects the grant type of the token request.', '获取凭证的 grant_type 无效。'],
    REPORT,
  ),
  meaning(
    'ip_not_allowed',
    'account',
    [scope('any', 'any', 40164, 45035, 61004), scope('wecom', 'any', 60020)],
    [
      "This server's IP address is not on the account's allow-list.",
      '本服务器的 IP 不在账号的 IP 白名单中。',
    ],
    [
      "Add the address from the error message to the IP allow-list in WeChat's console. The account then resumes automatically.",
      '请把错误信息中的 IP 加入微信后台的 IP 白名单，之后会自动恢复。',
    ],
  ),
  meaning(
    'ip_confirmation_pending',
    'account',
    [scope('any', 'any', [89501, 89505])],
    [
      "The account's administrator must first confirm this server's IP address.",
      '需要账号管理员先确认本服务器的 IP。',
    ],
    [
      'The administrator has received a message in WeChat and must confirm it there.',
      '管理员已在微信中收到确认消息，请其确认。',
    ],
  ),
  meaning(
    'ip_refused_for_a_day',
    'account',
    [scope('any', 'any', 89506)],
    [
      "The administrator rejected this server's IP address twice: calls are blocked for 24 hours.",
      '管理员两次拒绝了本服务器的 IP，24 小时内不可调用。',
    ],
    [
      'Contact the administrator. The account is retried automatically.',
      '请与管理员沟通；之后系统会自动重试。',
    ],
  ),
  meaning(
    'ip_refused_for_an_hour',
    'account',
    [scope('any', 'any', 89507)],
    [
      "The administrator rejected this server's IP address: calls are blocked for an hour.",
      '管理员拒绝了本服务器的 IP，一小时内不可调用。',
    ],
    [
      'Contact the administrator. The account is retried automatically.',
      '请与管理员沟通；之后系统会自动重试。',
    ],
  ),
  meaning(
    'request_method_refused',
    'account',
    [scope('any', 'any', 43001, 43002)],
    ['WeChat requires another HTTP method.', '微信要求使用其他 HTTP 方法。'],
    REPORT,
  ),
  meaning(
    'https_required',
    'account',
    [scope('any', 'any', 43003)],
    ['WeChat requires https for this call.', '微信要求使用 https 调用。'],
    REPORT,
  ),
  meaning(
    'base_url_wrong',
    'account',
    [scope('any', 'any', 40066, 40222)],
    ['WeChat rejects the URL or host of the request.', '请求的 URL 或域名不被微信接受。'],
    ['Check WECHAT_API_BASE_URL.', '请检查 WECHAT_API_BASE_URL。'],
  ),
  meaning(
    'address_retired',
    'account',
    [scope('any', 'any', 48017)],
    ['The request was sent to an IP address that WeChat no longer uses.', '请求发往了微信已停用的 IP。'],
    [
      'Remove fixed IP addresses of WeChat from hosts files, DNS and proxies.',
      '请删除 hosts、DNS 或代理中写死的微信 IP。',
    ],
  ),
];
