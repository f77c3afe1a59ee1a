/**
 * The errcodes of WeChat as data: the call that returns a number, its class, and the texts for users. The table has one
 * row per meaning, because many numbers share a meaning and one number (40001) has several. The meanings come from the
 * platform's common error code pages and from the enums in the large SDKs.
 */

import { ACCESS_ERRCODES } from './errcode-rows/access-errcodes.ts';
import { type Meaning, meaning, NOTHING_TO_DO, REPORT } from './errcode-rows/meaning.ts';
import { MEDIA_ERRCODES } from './errcode-rows/media-errcodes.ts';
import { PERMISSION_ERRCODES } from './errcode-rows/permission-errcodes.ts';
import { TEMPORARY_ERRCODES } from './errcode-rows/temporary-errcodes.ts';
import { TOKEN_ERRCODES } from './errcode-rows/token-errcodes.ts';

export const MEANINGS: readonly Meaning[] = [
  ...TEMPORARY_ERRCODES,
  ...TOKEN_ERRCODES,
  ...MEDIA_ERRCODES,
  ...ACCESS_ERRCODES,
  ...PERMISSION_ERRCODES,
];

/** Failures of calls to WeChat that have no errcode and are not in `failures.ts`. */
export const OTHER_MEANINGS: readonly Meaning[] = [
  meaning(
    'http_busy',
    'minute_limit',
    [],
    ['WeChat reports that it is too busy (HTTP 429 or 503).', '微信提示过于繁忙（HTTP 429 或 503）。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'http_refused',
    'unknown',
    [],
    ['WeChat returned an unexpected HTTP status.', '微信返回了无法理解的 HTTP 状态码。'],
    REPORT,
  ),
  meaning(
    'token_conflict',
    'account',
    [],
    [
      'The access token is rejected repeatedly although it was renewed: another program seems to refresh it.',
      'access_token 更新后仍反复被拒：似乎有其他程序在刷新它。',
    ],
    [
      'Let every program use stable_token without force_refresh, or reset the secret and use it in this service only.',
      '请让所有程序改用 stable_token 且不使用 force_refresh，或重置密钥并仅供本服务使用。',
    ],
  ),
  meaning(
    'supplied_token_refused',
    'account',
    [],
    [
      'WeChat rejects the external access token of this account, and its source provides no newer one.',
      '外部提供的 access_token 被微信拒绝，且来源未提供新的令牌。',
    ],
    [
      'Check the program that maintains the token (tokenSource). This service never refreshes tokens that other programs maintain.',
      '请检查维护该令牌的程序（tokenSource）；本服务不会刷新他人维护的令牌。',
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
      'WeChat pushes one every ten minutes to the URL for authorisation events. Point that URL, or a mirror of it, to /wechat/{account}.',
      '微信每十分钟向授权事件接收 URL 推送一次：请将该 URL 或其镜像指向 /wechat/{account}。',
    ],
  ),
  meaning(
    'unknown_errcode',
    'unknown',
    [],
    ['WeChat returned an errcode that this service does not know.', '微信返回了本服务未收录的错误码。'],
    [
      'Look up the number in the WeChat documentation and report it, so that it can be added.',
      '请在微信文档中查询该错误码并反馈，以便收录。',
    ],
  ),
];
