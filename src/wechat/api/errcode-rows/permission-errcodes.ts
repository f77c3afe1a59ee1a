/** Errcodes of the class `account` about permissions, restrictions and authorisation. */
import { type Bilingual, type Meaning, meaning, scope } from './meaning.ts';

const COMPONENT: Bilingual = [
  'Authorise the third-party platform for this account again, with the permission set that covers media.',
  '请让该账号重新授权第三方平台，并勾选包含素材的权限集。',
];

export const PERMISSION_ERRCODES: readonly Meaning[] = [
  meaning(
    'api_unauthorized',
    'account',
    [scope('any', 'any', 48001), scope('wecom', 'any', 48002)],
    [
      'The account is not allowed to use this API: it is not verified or lacks the permission.',
      '该账号无权调用此接口：未认证或缺少权限。',
    ],
    [
      "Check the verification status and the API permissions in WeChat's console, and check that the app id is correct.",
      '请在微信后台检查认证状态和接口权限，并确认 AppID 无误。',
    ],
  ),
  meaning(
    'customer_service_off',
    'account',
    [scope('wecom', 'sync_msg', 95012, 95017)],
    [
      'Customer service is not enabled in this corporation, or was upgraded to another version.',
      '该企业未启用微信客服，或已升级到其他版本。',
    ],
    [
      'Enable it for the application in the WeCom console. It is retried automatically.',
      '请在企业微信管理后台为该应用启用微信客服；之后系统会自动重试。',
    ],
  ),
  meaning(
    'customer_service_account_unknown',
    'account',
    [scope('wecom', 'sync_msg', 95000, 95004)],
    [
      'WeCom does not know this customer-service account, or the application is not allowed to read it.',
      '企业微信中不存在该客服账号，或应用无权读取。',
    ],
    [
      'If it was deleted, there is nothing to do. Otherwise add it to the accounts that the application manages.',
      '若该客服账号已删除，则无需处理；否则请将其加入应用可管理的客服账号。',
    ],
  ),
  meaning(
    'api_banned',
    'account',
    [scope('official', 'any', 48004)],
    ['WeChat has banned the account from this API because of violations.', '该接口因违规被微信封禁。'],
    ["Check the notices in WeChat's console and appeal there.", '请查看微信后台的通知并在其中申诉。'],
  ),
  meaning(
    'authorization_invalid',
    'account',
    [scope('wecom', 'any', 48004)],
    ['The authorisation of the application is invalid.', '应用的授权已失效。'],
    ["Authorise the application again in WeCom's console.", '请在企业微信后台重新授权该应用。'],
  ),
  meaning(
    'account_restricted',
    'account',
    [scope('any', 'any', [50001, 50004], 50007)],
    ['The account is restricted, frozen or not authorised.', '该账号受限、被冻结或未授权。'],
    ["Check the notices in WeChat's console.", '请查看微信后台的通知。'],
  ),
  meaning(
    'authorization_lost',
    'account',
    [scope('official', 'any', 42007)],
    [
      'The password of the account was changed, which invalidated its authorisation.',
      '账号修改了密码，原有授权已失效。',
    ],
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
      'The account has turned on API signing, which this service does not support.',
      '该账号开启了 API 签名，本服务不支持。',
    ],
    ["Turn API signing off for media/get in WeChat's console.", '请在微信后台关闭 media/get 的 API 签名。'],
  ),
  meaning(
    'month_quota',
    'account',
    [scope('any', 'any', 45040)],
    ['The monthly quota of calls is used up.', '当月接口调用额度已用完。'],
    [
      "Check the quota in WeChat's console, or wait for the next month.",
      '请在微信后台查看额度，或等待下月恢复。',
    ],
  ),
  meaning(
    'component_unauthorized',
    'account',
    [scope('any', 'any', 61003, 61007, 61011, 61014, 61015, 61017, 61023, 61024, 61028)],
    [
      'The account has not granted this to the third-party platform, or the platform uses the wrong token.',
      '账号未向第三方平台授予此权限，或平台使用了错误的令牌。',
    ],
    COMPONENT,
  ),
];
