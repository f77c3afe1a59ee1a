/** Errcodes of temporary conditions: transient errors, and limits per minute and per day. */
import { type Meaning, meaning, NOTHING_TO_DO, scope } from './meaning.ts';

export const TEMPORARY_ERRCODES: readonly Meaning[] = [
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
    ['WeChat reported success but sent no file.', '微信返回成功，但没有文件内容。'],
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
    ['WeChat had an internal error, or the data is not ready yet.', '微信内部错误，或数据尚未就绪。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'range_required',
    'transient',
    [scope('wecom', 'any', 830002)],
    ['The file is too large to be downloaded in one piece.', '文件过大，不能一次性下载。'],
    NOTHING_TO_DO,
  ),
  meaning(
    'quota_path_unknown',
    'transient',
    [scope('any', 'quota', 76003, 76021, 76022)],
    ['WeChat has no quota for the API that was queried.', '所查询的接口没有额度信息。'],
    ['Nothing to do: media items are not affected.', '无需处理：不影响素材归档。'],
  ),
  meaning(
    'minute_limit',
    'minute_limit',
    [scope('any', 'any', 45011)],
    ['Too many calls within a minute.', '调用过快，超过分钟频率限制。'],
    [
      'Nothing to do: the account continues in the next minute. If this happens often, lower ACCOUNT_CONCURRENCY.',
      '无需处理：下一分钟自动继续。若频繁出现，请调低 ACCOUNT_CONCURRENCY。',
    ],
  ),
  meaning(
    'frequency_limit',
    'minute_limit',
    [scope('wecom', 'any', 45009)],
    ['The corporation calls this API too often.', '企业调用该接口过于频繁。'],
    [
      'Nothing to do: WeCom blocks the calls for 60 seconds, later for an hour. If this happens often, lower ACCOUNT_CONCURRENCY.',
      '无需处理：企业微信会先限制 60 秒，再限制一小时。若频繁出现，请调低 ACCOUNT_CONCURRENCY。',
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
    ['The daily quota of calls is used up.', '当日接口调用额度已用完。'],
    [
      "The account continues automatically after midnight in Beijing. The quota can be viewed and reset in WeChat's console.",
      '北京时间零点后自动继续。可在微信后台查看额度，并可申请清零。',
    ],
  ),
  meaning(
    'token_day_quota',
    'day_quota',
    [scope('official', 'token', 45009)],
    ['The daily quota for access tokens is used up.', '当日获取 access_token 的额度已用完。'],
    [
      'Find out which program requests tokens so often. The account continues after midnight in Beijing.',
      '请排查是谁频繁获取 access_token；北京时间零点后自动继续。',
    ],
  ),
  meaning(
    'clear_quota_used_up',
    'day_quota',
    [scope('official', 'any', 48006)],
    ['The monthly number of quota resets is used up.', '本月的额度清零次数已用完。'],
    ['Wait until midnight in Beijing.', '请等待北京时间零点后恢复。'],
  ),
  meaning(
    'callback_token_invalid',
    'transient',
    [scope('wecom', 'sync_msg', 95007)],
    ['The token of the callback has expired.', '回调中的 token 已失效。'],
    NOTHING_TO_DO,
  ),
];
