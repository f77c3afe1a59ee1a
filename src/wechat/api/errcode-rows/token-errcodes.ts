/** Errcodes of the class `token`: this service replaces the access token and repeats the call. */
import { type Bilingual, type Meaning, meaning, scope } from './meaning.ts';

const TOKEN: Bilingual = [
  'Nothing to do: the token is replaced automatically. If this happens repeatedly, find out which other program refreshes it.',
  '无需处理：系统会自动更换 access_token。若反复出现，请排查是否有其他程序在刷新它。',
];

export const TOKEN_ERRCODES: readonly Meaning[] = [
  meaning(
    'access_token_invalid',
    'token',
    [scope('official', 'any', 40001), scope('any', 'any', 40014)],
    ['The access token is invalid or is not the latest one.', 'access_token 无效或不是最新的。'],
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
    ['The request contained no access token.', '请求未携带 access_token。'],
    TOKEN,
  ),
  meaning(
    'component_token_invalid',
    'token',
    [scope('official', 'any', 42002, 42006, 61005, 61006)],
    [
      'A token or ticket of the third-party platform has expired or is invalid.',
      '第三方平台的令牌或 ticket 已过期或无效。',
    ],
    [
      'WeChat pushes a new ticket every ten minutes. Check that the platform receives it.',
      '微信每十分钟推送一次新的 ticket，请检查第三方平台是否收到。',
    ],
  ),
  meaning(
    'suite_token_expired',
    'token',
    [scope('wecom', 'any', 42009)],
    ['The suite access token has expired.', 'suite_access_token 已过期。'],
    TOKEN,
  ),
];
