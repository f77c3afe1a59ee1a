/**
 * The errcodes of WeChat as data: where a number may come from, what class it is of, and what to tell people.
 * One entry per meaning, since many numbers share one and one number (40001) has several. Meanings are those of the
 * platform's common error code pages and of the enums the large SDKs keep.
 */
import type { Explanation, FailureClass } from '../../failures.ts';

/** Which of WeChat's calls answered. `quota` is the quota API, which no media depends on. */
export type Endpoint = 'media_get' | 'token' | 'quota' | 'sync_msg' | 'any';

/** Mini programs share the host, the calls and the numbers of official accounts. */
export type ErrcodeProduct = 'official' | 'wecom' | 'any';

export interface ErrcodeScope {
  readonly product: ErrcodeProduct;
  readonly endpoint: Endpoint;
  /** Single numbers, and ranges from–to. */
  readonly errcodes: readonly (number | readonly [from: number, to: number])[];
}

export interface Meaning extends Explanation {
  readonly code: string;
  readonly class: FailureClass;
  readonly scopes: readonly ErrcodeScope[];
}

type Bilingual = readonly [en: string, zh: string];

const meaning = (
  code: string,
  failureClass: FailureClass,
  places: readonly ErrcodeScope[],
  [en, zh]: Bilingual,
  [adviceEn, adviceZh]: Bilingual,
): Meaning => ({
  code,
  class: failureClass,
  scopes: places,
  message: { en, zh },
  advice: { en: adviceEn, zh: adviceZh },
});

const scope = (
  product: ErrcodeProduct,
  endpoint: Endpoint,
  ...errcodes: ErrcodeScope['errcodes'][number][]
): ErrcodeScope => ({
  product,
  endpoint,
  errcodes,
});

const NOTHING_TO_DO: Bilingual = ['Nothing to do: it is tried again by itself.', '无需处理:系统会自动重试。'];
const RETRY_IS_USELESS: Bilingual = [
  'Trying again cannot help. Look at the message this media id came from.',
  '重试无效。请检查该 media_id 所属的消息。',
];
const TOKEN: Bilingual = [
  'Nothing to do: the token is replaced by itself. If it keeps happening, find out who else refreshes it.',
  '无需处理:系统会自动更换 access_token。若反复出现,请排查是否有其他程序在刷新它。',
];
const UNEXPECTED: Bilingual = [
  'This code belongs to another call of WeChat. If it shows up here, report it with the request id (rid).',
  '该错误码属于微信的其他接口。若在此出现,请附上 rid 反馈。',
];
const REPORT: Bilingual = [
  'The request itself is at fault. Check WECHAT_API_BASE_URL and any proxy in between; otherwise report it.',
  '请求本身有误。请检查 WECHAT_API_BASE_URL 及中间代理;若无问题请反馈。',
];
const COMPONENT: Bilingual = [
  'Let the account authorise the third-party platform again, with the permission that covers media.',
  '请让该账号重新授权第三方平台,并勾选包含素材的权限集。',
];

export const MEANINGS: readonly Meaning[] = [
  // transient
  meaning(
    'system_busy',
    'transient',
    [scope('any', 'any', -1, -1000)],
    ["WeChat's system is busy.", '微信系统繁忙。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'ok_without_media',
    'transient',
    [scope('any', 'any', 0)],
    ['WeChat answered "ok" but sent no file.', '微信返回成功,但没有文件内容。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'media_processing',
    'transient',
    [scope('any', 'any', 46007)],
    ['WeChat is still transcoding the file.', '微信仍在转码该文件。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'platform_error',
    'transient',
    [scope('any', 'any', 61450, 61503, 80000, 89401, 9001002)],
    ['WeChat met an error of its own, or the data is not ready yet.', '微信内部错误,或数据尚未就绪。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'range_required',
    'transient',
    [scope('wecom', 'any', 830002)],
    ['The file is too large to be fetched in one piece.', '文件过大,不能一次性下载。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'quota_path_unknown',
    'transient',
    [scope('any', 'quota', 76003, 76021, 76022)],
    ['WeChat keeps no quota for the call that was asked about.', '所查询的接口没有额度信息。'],
    ['Nothing to do: media are not affected.', '无需处理:不影响素材归档。'],
  ),

  // token
  meaning(
    'access_token_invalid',
    'token',
    [scope('official', 'any', 40001), scope('any', 'any', 40014)],
    ['The access token is not valid, or not the latest.', 'access_token 无效或不是最新的。'],
    TOKEN,
  ),
  meaning(
    'access_token_expired',
    'token',
    [scope('any', 'any', 42001)],
    ['The access token has expired.', 'access_token 已过期。'],
    TOKEN,
  ),
  meaning(
    'access_token_missing',
    'token',
    [scope('any', 'any', 41001)],
    ['The request carried no access token.', '请求未携带 access_token。'],
    TOKEN,
  ),
  meaning(
    'component_token_invalid',
    'token',
    [scope('official', 'any', 42002, 42006, 61005, 61006)],
    [
      'A token or ticket of the third-party platform has expired or is not valid.',
      '第三方平台的令牌或 ticket 已过期或无效。',
    ],
    [
      'WeChat pushes a new ticket every ten minutes. Check that the platform receives it.',
      '微信每十分钟推送一次新的 ticket,请检查第三方平台是否收到。',
    ],
  ),
  meaning(
    'suite_token_expired',
    'token',
    [scope('wecom', 'any', 42009)],
    ['The suite access token has expired.', 'suite_access_token 已过期。'],
    TOKEN,
  ),

  // limits
  meaning(
    'minute_limit',
    'minute_limit',
    [scope('any', 'any', 45011)],
    ['Too many calls within a minute.', '调用过快,超过分钟频率限制。'],
    [
      'Nothing to do: the account goes on in the next minute. If it is frequent, lower ACCOUNT_CONCURRENCY.',
      '无需处理:下一分钟自动继续。若频繁出现,请调低 ACCOUNT_CONCURRENCY。',
    ],
  ),
  meaning(
    'frequency_limit',
    'minute_limit',
    [scope('wecom', 'any', 45009)],
    ['The corporation called this interface too often.', '企业调用该接口过于频繁。'],
    [
      'Nothing to do: WeCom blocks for 60 seconds, then for an hour. If it is frequent, lower ACCOUNT_CONCURRENCY.',
      '无需处理:企业微信会先限制 60 秒,再限制一小时。若频繁出现,请调低 ACCOUNT_CONCURRENCY。',
    ],
  ),
  meaning(
    'concurrency_limit',
    'minute_limit',
    [scope('wecom', 'any', 45033)],
    ['Too many calls at the same time.', '并发调用超过限制。'],
    ['Lower ACCOUNT_CONCURRENCY.', '请调低 ACCOUNT_CONCURRENCY。'],
  ),
  meaning(
    'day_quota',
    'day_quota',
    [scope('official', 'any', 45009)],
    ["The day's quota of calls is used up.", '当日接口调用额度已用完。'],
    [
      "It goes on by itself after midnight in Beijing. See the quota in WeChat's console; it can be reset there.",
      '北京时间零点后自动继续。可在微信后台查看额度,并可申请清零。',
    ],
  ),
  meaning(
    'token_day_quota',
    'day_quota',
    [scope('official', 'token', 45009)],
    ["The day's quota for access tokens is used up.", '当日获取 access_token 的额度已用完。'],
    [
      'Find out who asks for tokens so often; the account goes on after midnight in Beijing.',
      '请排查是谁频繁获取 access_token;北京时间零点后自动继续。',
    ],
  ),
  meaning(
    'clear_quota_used_up',
    'day_quota',
    [scope('official', 'any', 48006)],
    ["The month's resets of the quota are used up.", '本月的额度清零次数已用完。'],
    ['Wait for midnight in Beijing.', '请等待北京时间零点后恢复。'],
  ),

  // permanent for this media
  meaning(
    'invalid_media_id',
    'permanent_media',
    [scope('any', 'any', 40007)],
    [
      'WeChat does not know this media id: it has expired, belongs to another account, or is mistyped.',
      '微信不认识该 media_id:可能已过期、属于其他账号或填写有误。',
    ],
    [
      'Check that the media id was received by this very account. Permanent material is fetched by another call.',
      '请确认该 media_id 由此账号收到。永久素材需使用其他接口获取。',
    ],
  ),
  meaning(
    'media_not_found',
    'permanent_media',
    [scope('any', 'any', 46001)],
    ['WeChat has no data for this media id.', '微信没有该素材的数据。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'media_id_missing',
    'permanent_media',
    [scope('any', 'any', 41006)],
    ['The request carried no media id.', '请求缺少 media_id。'],
    ['Check what the producer of this reference puts into mediaId.', '请检查提交方填写的 mediaId。'],
  ),
  meaning(
    'media_too_large',
    'permanent_media',
    [scope('any', 'any', 45001, 45007)],
    ['WeChat says the file is too large or too long.', '微信提示文件过大或时长过长。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_media_type',
    'permanent_media',
    [scope('any', 'any', 40004, 40005)],
    ['WeChat refuses this type of media or file.', '微信不接受该素材或文件类型。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_media_size',
    'permanent_media',
    [scope('any', 'any', 40006, [40009, 40012])],
    ['WeChat refuses the size of this media.', '微信不接受该素材的大小。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_parameter',
    'permanent_media',
    [scope('any', 'any', 40008, 40035, 40038, 40118, 40121)],
    [
      'WeChat refuses a parameter of the request, most likely the media id.',
      '请求参数无效,多半是 media_id。',
    ],
    ['Check the form of the media id.', '请检查 media_id 的格式。'],
  ),
  meaning(
    'request_malformed',
    'permanent_media',
    [scope('any', 'any', 47001)],
    ['WeChat could not parse the request.', '微信无法解析该请求。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'data_missing',
    'permanent_media',
    [scope('any', 'any', 41005, [44001, 44004], [46002, 46004])],
    ['WeChat says that data is missing, empty or not found.', '微信提示数据缺失、为空或不存在。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_open_id',
    'permanent_media',
    [scope('any', 'any', 40003)],
    ['WeChat refuses an openid.', 'openid 无效。'],
    UNEXPECTED,
  ),
  meaning(
    'sending_refused',
    'permanent_media',
    [scope('any', 'any', 43004, 43019, 45015, 45047, 50005), scope('official', 'any', 48002)],
    ['WeChat refuses to send to this user.', '微信拒绝向该用户发送消息。'],
    UNEXPECTED,
  ),
  meaning(
    'other_interface',
    'permanent_media',
    [scope('any', 'any', [85000, 88999], [9001000, 9001999])],
    ['WeChat answered with a code of a different interface.', '微信返回了其他接口的错误码。'],
    UNEXPECTED,
  ),

  // the account as a whole
  meaning(
    'app_secret_wrong',
    'account',
    [scope('official', 'token', 40001), scope('official', 'any', 40125), scope('wecom', 'any', 40001, 40091)],
    ['The secret is wrong or belongs to another account.', '密钥(AppSecret)错误或不属于该账号。'],
    [
      "Copy the secret from WeChat's console again; if it was reset there, the old one is void.",
      '请从微信后台重新复制密钥;若曾在后台重置,旧密钥即失效。',
    ],
  ),
  meaning(
    'app_secret_frozen',
    'account',
    [scope('any', 'any', 40243)],
    ['The secret of this account is frozen.', '该账号的 AppSecret 已被冻结。'],
    [
      "Unfreeze it in WeChat's console; that takes about ten minutes to act.",
      '请在微信后台解冻,约十分钟后生效。',
    ],
  ),
  meaning(
    'app_id_invalid',
    'account',
    [scope('any', 'any', 40013)],
    ['The app id or corp id is not valid.', 'AppID 或 CorpID 无效。'],
    [
      'Check WECHAT_APP_ID or the account in ACCOUNTS_FILE.',
      '请检查 WECHAT_APP_ID 或 ACCOUNTS_FILE 中的账号。',
    ],
  ),
  meaning(
    'app_credentials_missing',
    'account',
    [scope('any', 'any', 41002, 41004)],
    ['The request carried no app id or no secret.', '请求缺少 appid 或 secret。'],
    ['Check WECHAT_APP_ID and WECHAT_APP_SECRET.', '请检查 WECHAT_APP_ID 和 WECHAT_APP_SECRET。'],
  ),
  meaning(
    'token_grant_invalid',
    'account',
    [scope('any', 'any', 40002)],
    ['WeChat refuses the grant type of the token request.', '获取凭证的 grant_type 无效。'],
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
      "Add the address named in the message to the IP allow-list in WeChat's console; the account resumes by itself.",
      '请把错误信息中的 IP 加入微信后台的 IP 白名单,之后会自动恢复。',
    ],
  ),
  meaning(
    'ip_confirmation_pending',
    'account',
    [scope('any', 'any', [89501, 89505])],
    [
      "The account's administrator must confirm this server's IP address first.",
      '需要账号管理员先确认本服务器的 IP。',
    ],
    [
      'The administrator has received a message in WeChat: let them confirm it.',
      '管理员已在微信中收到确认消息,请其确认。',
    ],
  ),
  meaning(
    'ip_refused_for_a_day',
    'account',
    [scope('any', 'any', 89506)],
    [
      "The administrator refused this server's IP address twice: blocked for 24 hours.",
      '管理员两次拒绝了本服务器的 IP,24 小时内不可调用。',
    ],
    [
      'Talk to the administrator; the account is tried again by itself.',
      '请与管理员沟通;之后系统会自动重试。',
    ],
  ),
  meaning(
    'ip_refused_for_an_hour',
    'account',
    [scope('any', 'any', 89507)],
    [
      "The administrator refused this server's IP address: blocked for an hour.",
      '管理员拒绝了本服务器的 IP,1 小时内不可调用。',
    ],
    [
      'Talk to the administrator; the account is tried again by itself.',
      '请与管理员沟通;之后系统会自动重试。',
    ],
  ),
  meaning(
    'api_unauthorized',
    'account',
    [scope('any', 'any', 48001), scope('wecom', 'any', 48002)],
    [
      'The account may not use this interface: not verified, or without the permission.',
      '该账号无权调用此接口:未认证或缺少权限。',
    ],
    [
      "Check verification and interface permissions in WeChat's console, and that the app id is the right one.",
      '请在微信后台检查认证状态和接口权限,并确认 AppID 无误。',
    ],
  ),
  meaning(
    'customer_service_off',
    'account',
    [scope('wecom', 'sync_msg', 95012, 95017)],
    [
      'Customer service is not in use in this corporation, or was moved to another version of it.',
      '该企业未启用微信客服，或已升级到其他版本。',
    ],
    [
      'Turn it on for the application in the administration of WeCom; it is tried again by itself.',
      '请在企业微信管理后台为该应用启用微信客服；之后系统会自动重试。',
    ],
  ),
  meaning(
    'customer_service_account_unknown',
    'account',
    [scope('wecom', 'sync_msg', 95000, 95004)],
    [
      'WeCom does not know this customer-service account, or the application may not read it.',
      '企业微信中不存在该客服账号，或应用无权读取。',
    ],
    [
      'Where it was deleted there is nothing to do. Else add it to those that the application manages.',
      '若该客服账号已删除，则无需处理；否则请将其加入应用可管理的客服账号。',
    ],
  ),
  meaning(
    'callback_token_invalid',
    'transient',
    [scope('wecom', 'sync_msg', 95007)],
    ["The callback's token is over.", '回调中的 token 已失效。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'api_banned',
    'account',
    [scope('official', 'any', 48004)],
    ['WeChat has banned the account from this interface for irregularities.', '该接口因违规被微信封禁。'],
    ["Look at the notices in WeChat's console and appeal there.", '请查看微信后台的通知并在其中申诉。'],
  ),
  meaning(
    'authorization_invalid',
    'account',
    [scope('wecom', 'any', 48004)],
    ['The authorisation of the application is not valid.', '应用的授权已失效。'],
    ["Authorise the application again in WeCom's console.", '请在企业微信后台重新授权该应用。'],
  ),
  meaning(
    'account_restricted',
    'account',
    [scope('any', 'any', [50001, 50004], 50007)],
    ['The account is limited, frozen or not authorised.', '该账号受限、被冻结或未授权。'],
    ["Look at the notices in WeChat's console.", '请查看微信后台的通知。'],
  ),
  meaning(
    'authorization_lost',
    'account',
    [scope('official', 'any', 42007)],
    ['The account changed its password, which voided its authorisation.', '账号修改了密码,原有授权已失效。'],
    ['Authorise the account again.', '请重新授权该账号。'],
  ),
  meaning(
    'pre_auth_code_expired',
    'account',
    [scope('wecom', 'any', 42007)],
    ['The pre-authorisation code has expired.', '预授权码已过期。'],
    ['Start the authorisation again.', '请重新发起授权。'],
  ),
  meaning(
    'api_signing_required',
    'account',
    [scope('any', 'any', 40234)],
    [
      'The account has turned on API signing, which this service does not do.',
      '该账号开启了 API 签名,本服务不支持。',
    ],
    ["Turn API signing off for media/get in WeChat's console.", '请在微信后台关闭 media/get 的 API 签名。'],
  ),
  meaning(
    'request_method_refused',
    'account',
    [scope('any', 'any', 43001, 43002)],
    ['WeChat wants another HTTP method.', '微信要求使用其他 HTTP 方法。'],
    REPORT,
  ),
  meaning(
    'https_required',
    'account',
    [scope('any', 'any', 43003)],
    ['WeChat wants this call over https.', '微信要求使用 https 调用。'],
    REPORT,
  ),
  meaning(
    'base_url_wrong',
    'account',
    [scope('any', 'any', 40066, 40222)],
    ['WeChat refuses the URL or host of the request.', '请求的 URL 或域名不被微信接受。'],
    ['Check WECHAT_API_BASE_URL.', '请检查 WECHAT_API_BASE_URL。'],
  ),
  meaning(
    'address_retired',
    'account',
    [scope('any', 'any', 48017)],
    ['The request went to an IP address that WeChat has retired.', '请求发往了微信已停用的 IP。'],
    [
      'Remove fixed IP addresses of WeChat from hosts files, DNS and proxies.',
      '请删除 hosts、DNS 或代理中写死的微信 IP。',
    ],
  ),
  meaning(
    'month_quota',
    'account',
    [scope('any', 'any', 45040)],
    ["The month's quota of calls is used up.", '当月接口调用额度已用完。'],
    [
      "See the quota in WeChat's console; otherwise wait for the next month.",
      '请在微信后台查看额度,或等待下月恢复。',
    ],
  ),
  meaning(
    'component_unauthorized',
    'account',
    [scope('any', 'any', 61003, 61007, 61011, 61014, 61015, 61017, 61023, 61024, 61028)],
    [
      'The account has not granted this to the third-party platform, or the platform uses the wrong token.',
      '账号未向第三方平台授予此权限,或平台使用了错误的令牌。',
    ],
    COMPONENT,
  ),
];

/** Failures of the dialogue with WeChat that carry no errcode, beyond those of the ground floor. */
export const OTHER_MEANINGS: readonly Meaning[] = [
  meaning(
    'http_busy',
    'minute_limit',
    [],
    ['WeChat answered that it is too busy (HTTP 429 or 503).', '微信提示过于繁忙(HTTP 429 或 503)。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'http_refused',
    'unknown',
    [],
    ['WeChat answered with an HTTP status that is not understood.', '微信返回了无法理解的 HTTP 状态码。'],
    REPORT,
  ),
  meaning(
    'token_conflict',
    'account',
    [],
    [
      'The access token is refused again and again although it was renewed: somebody else seems to refresh it.',
      'access_token 更新后仍反复被拒:似乎有其他程序在刷新它。',
    ],
    [
      'Let every program use stable_token without force_refresh, or reset the secret and give it to this service alone.',
      '请让所有程序改用 stable_token 且不使用 force_refresh,或重置密钥并仅供本服务使用。',
    ],
  ),
  meaning(
    'supplied_token_refused',
    'account',
    [],
    [
      'The access token this account is supplied with is refused, and its source gives no better one.',
      '外部提供的 access_token 被微信拒绝,且来源未提供新的令牌。',
    ],
    [
      'Look at the program that keeps the token (tokenSource); this service never refreshes what belongs to others.',
      '请检查维护该令牌的程序(tokenSource);本服务不会刷新他人维护的令牌。',
    ],
  ),
  meaning(
    'component_ticket_missing',
    'account',
    [],
    [
      'No component_verify_ticket of the third-party platform has arrived yet.',
      '尚未收到第三方平台的 component_verify_ticket。',
    ],
    [
      'WeChat pushes one every ten minutes to the URL for authorisation events: let it, or a mirror of it, lead to /wechat/{account}.',
      '微信每十分钟向授权事件接收 URL 推送一次:请将该 URL 或其镜像指向 /wechat/{account}。',
    ],
  ),
  meaning(
    'unknown_errcode',
    'unknown',
    [],
    ['WeChat answered with an errcode this service does not know.', '微信返回了本服务未收录的错误码。'],
    [
      'Look the number up in the documentation of WeChat and report it, so that it gets its place.',
      '请在微信文档中查询该错误码并反馈,以便收录。',
    ],
  ),
];
