/** Errcodes of the class `permanent_media`: this item cannot be downloaded. */
import { type Bilingual, type Meaning, meaning, scope } from './meaning.ts';

const RETRY_IS_USELESS: Bilingual = [
  'Retrying does not help. Check the message that this media id came from.',
  '重试无效。请检查该 media_id 所属的消息。',
];

const UNEXPECTED: Bilingual = [
  'This code belongs to another WeChat API. If it appears here, report it with the request id (rid).',
  '该错误码属于微信的其他接口。若在此出现，请附上 rid 反馈。',
];

export const MEDIA_ERRCODES: readonly Meaning[] = [
  meaning(
    'invalid_media_id',
    'permanent_media',
    [scope('any', 'any', 40007)],
    [
      'WeChat does not know this media id: it has expired, belongs to another account, or is mistyped.',
      '微信不认识该 media_id：可能已过期、属于其他账号或填写有误。',
    ],
    [
      'Check that this account received the media id. Permanent material must be downloaded through another API.',
      '请确认该 media_id 由此账号收到。永久素材需使用其他接口获取。',
    ],
    { isMediaGone: true },
  ),
  meaning(
    'media_not_found',
    'permanent_media',
    [scope('any', 'any', 46001)],
    ['WeChat has no data for this media id.', '微信没有该素材的数据。'],
    RETRY_IS_USELESS,
    { isMediaGone: true },
  ),
  meaning(
    'media_id_missing',
    'permanent_media',
    [scope('any', 'any', 41006)],
    ['The request contained no media id.', '请求缺少 media_id。'],
    ['Check which value the producer of this reference puts into mediaId.', '请检查提交方填写的 mediaId。'],
  ),
  meaning(
    'media_too_large',
    'permanent_media',
    [scope('any', 'any', 45001, 45007)],
    ['WeChat reports that the file is too large or too long.', '微信提示文件过大或时长过长。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_media_type',
    'permanent_media',
    [scope('any', 'any', 40004, 40005)],
    ['WeChat does not accept this type of media or file.', '微信不接受该素材或文件类型。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_media_size',
    'permanent_media',
    [scope('any', 'any', 40006, [40009, 40012])],
    ['WeChat does not accept the size of this file.', '微信不接受该素材的大小。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_parameter',
    'permanent_media',
    [scope('any', 'any', 40008, 40035, 40038, 40118, 40121)],
    [
      'WeChat rejects a parameter of the request, most likely the media id.',
      '请求参数无效，多半是 media_id。',
    ],
    ['Check the format of the media id.', '请检查 media_id 的格式。'],
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
    ['WeChat reports that data is missing, empty or not found.', '微信提示数据缺失、为空或不存在。'],
    RETRY_IS_USELESS,
  ),
  meaning(
    'invalid_open_id',
    'permanent_media',
    [scope('any', 'any', 40003)],
    ['WeChat rejects an openid.', 'openid 无效。'],
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
    ['WeChat returned an error code of a different API.', '微信返回了其他接口的错误码。'],
    UNEXPECTED,
  ),
];
