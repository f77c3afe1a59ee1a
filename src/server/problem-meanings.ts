/** What each problem means, for the pages about problems, and its title in Chinese. */
import type { LocalizedText } from '../explanation.ts';
import type { ProblemCode } from './problem-table.ts';

interface Meaning extends LocalizedText {
  readonly titleZh: string;
}

const meaning = (titleZh: string, en: string, zh: string): Meaning => ({ titleZh, en, zh });

export const MEANINGS: Readonly<Record<ProblemCode, Meaning>> = {
  preview_unsupported: meaning(
    '此格式的文件没有预览',
    'Browsers cannot show files of this kind, and this server does not convert it.',
    '浏览器无法显示此类文件，本服务也不转换此格式。',
  ),
  preview_refused: meaning(
    '无法生成此文件的预览',
    'The file has a format that can be converted, but its content is damaged, too large, or not what it claims to be.',
    '文件格式可以转换，但内容已损坏、过大，或与声明的类型不符。',
  ),
  preview_busy: meaning(
    '正在生成的预览过多',
    'Each server converts a few files at a time, and all places are taken.',
    '每台服务器同时只转换少量文件，当前已满。',
  ),
  preview_failed: meaning(
    '生成预览的进程无法启动，或被外部终止',
    'Previews are made in processes of their own. This one did not start or ended before it was done; the archive is not affected.',
    '预览在单独的进程中生成。该进程未能启动或提前结束，归档不受影响。',
  ),
  invalid_request: meaning(
    '请求不符合接口定义',
    'A field or parameter is missing, unknown, or has a value that is not allowed. `errors` has one entry for each, with the name of the field and a sentence. Nothing was done.',
    '某个字段或参数缺失、未知，或取值不被允许。`errors` 逐项列出字段名称与说明。未执行任何操作。',
  ),
  unknown_account: meaning(
    '账号未配置',
    'The request names an account that this service does not have. `detail` has the name.',
    '请求中的账号不在本服务的配置中，名称见 `detail`。',
  ),
  invalid_cursor: meaning(
    '游标不属于此列表',
    'A cursor holds a position in one list in one order. This one was changed, cut, or comes from another list or order.',
    '游标表示某个列表在某种顺序下的位置。此游标被改动、截断，或来自其他列表或顺序。',
  ),
  cursor_expired: meaning(
    '游标早于保留的事件',
    'Events after this cursor were dropped, so going on from it would leave a gap. `oldestCursor` is where the feed begins now.',
    '该游标之后的部分事件已删除，从它继续会有缺口。`oldestCursor` 是事件流现在的起点。',
  ),
  webhook_address: meaning(
    '不能向此地址发送 webhook',
    'The address is not one of https, contains credentials, or leads into a network that is not public. `rule` names what it breaks.',
    '该地址不是 https、含有用户名或密码，或指向非公网的网络。违反的规则见 `rule`。',
  ),
  webhook_not_found: meaning(
    '没有此 ID 的接收地址',
    'No endpoint has this id, or the key may not see it.',
    '没有此 ID 的接收地址，或该密钥无权查看。',
  ),
  delivery_not_found: meaning(
    '接收地址没有此 ID 的投递',
    'The delivery belongs to another endpoint, or ended so long ago that it was removed.',
    '该投递属于其他接收地址，或结束已久而被删除。',
  ),
  webhook_configured: meaning(
    '此接收地址来自 WEBHOOK_URL',
    'An endpoint of the configuration is changed in the configuration only, so that both never differ.',
    '来自配置的接收地址只能在配置中修改，以免两者不一致。',
  ),
  webhook_limit: meaning(
    '接收地址的数量已达上限',
    'Every endpoint costs work for each event, so their number is limited.',
    '每个接收地址都会增加每个事件的工作量，因此数量有限。',
  ),
  replay_too_large: meaning(
    '重新发送的事件多于一个接收地址可等待的投递',
    '`matched` events are in that time, and `room` of them may wait for this endpoint. Nothing was sent.',
    '这段时间内有 `matched` 个事件，而该接收地址还能等待 `room` 个。未发送任何事件。',
  ),
  malformed_message: meaning(
    '回调内容不是微信消息',
    'The signature is right, but the body is neither XML nor JSON in the form that WeChat sends.',
    '签名正确，但内容不是微信推送的 XML 或 JSON 格式。',
  ),
  unauthorized: meaning(
    '需要密钥',
    'The request has no key, or one that this server does not know, or a session that has ended.',
    '请求没有密钥，或密钥不被本服务识别，或会话已结束。',
  ),
  forbidden: meaning(
    '密钥无权执行此操作',
    'The key is known, but its scope is too small for this route, or it is bound to accounts and this concerns others.',
    '密钥有效，但权限范围不足，或密钥只限于某些账号，而请求涉及其他账号。',
  ),
  bad_signature: meaning(
    '签名无效',
    'The callback does not come from WeChat, or the Token is not the same on both sides.',
    '回调不是来自微信，或双方的 Token 不一致。',
  ),
  stale_timestamp: meaning(
    '时间戳与当前时间相差过大',
    'In plain mode a callback that is more than 15 minutes old or in the future is refused, because it may be a copy.',
    '明文模式下，时间戳早于或晚于当前时间超过 15 分钟的回调会被拒绝，因为可能是重放。',
  ),
  encryption_required: meaning(
    '此账号只接受加密回调',
    'The callback is in plain mode, and requireEncryption is set for the account.',
    '回调为明文，而该账号设置了 requireEncryption。',
  ),
  encryption_key_missing: meaning(
    '回调已加密，但未配置密钥',
    "The account is in safe mode in WeChat's console, and this side has no EncodingAESKey to decrypt with.",
    '微信后台为安全模式，而本服务没有用于解密的 EncodingAESKey。',
  ),
  cannot_decrypt: meaning(
    '回调无法解密',
    'The signature is right, but the EncodingAESKey or the AppID is not the one with which WeChat encrypted.',
    '签名正确，但 EncodingAESKey 或 AppID 与微信加密时使用的不一致。',
  ),
  not_found: meaning(
    '没有此地址的接口',
    'The path is misspelt, or what it names does not exist.',
    '路径有误，或其所指的对象不存在。',
  ),
  media_not_found: meaning(
    '没有此 id 的素材',
    'The id has the right form, but the catalogue has no such item, or the key is bound to other accounts.',
    'id 格式正确，但元数据库中没有此素材，或密钥只限于其他账号。',
  ),
  object_missing: meaning(
    '素材已归档，但对象已不在存储桶中',
    'The catalogue names an object that the bucket does not have.',
    '元数据库记录的对象在存储桶中不存在。',
  ),
  erasure_not_found: meaning(
    '没有此 id 的擦除',
    'The id has the right form, but there is no such erasure, or the key is bound to other accounts.',
    'id 格式正确，但没有此擦除，或密钥只限于其他账号。',
  ),
  redrive_not_found: meaning(
    '没有此 id 的重新归档',
    'The id has the right form, but there is no such redrive, or the key is bound to other accounts.',
    'id 格式正确，但没有此重新归档，或密钥只限于其他账号。',
  ),
  account_not_found: meaning(
    '没有此 id 的账号',
    'The account in the path is not one of this service.',
    '路径中的账号不在本服务的配置中。',
  ),
  method_not_allowed: meaning(
    '此接口不支持该方法',
    'The address exists, but not with this method.',
    '地址存在，但不支持该方法。',
  ),
  conflict: meaning(
    '素材的状态不允许此操作',
    'The item is pending, archived or erased, or it is expired and `force` was not set. It did not change.',
    '素材状态为 pending、archived 或 erased，或为 expired 且未指定 `force`。素材未改变。',
  ),
  not_archived: meaning(
    '素材尚未归档',
    'The item is pending: it has no file yet, and may get one.',
    '素材状态为 pending：目前还没有文件，之后可能会有。',
  ),
  erasure_kept: meaning(
    '素材已在元数据库中擦除，但存储拒绝删除 left 中列出的对象',
    'The personal data of the row is gone. Objects that the storage protects (object lock, legal hold, missing right) are still there.',
    '记录中的个人数据已删除。受存储保护的对象（对象锁定、依法保留、缺少权限）仍然存在。',
  ),
  media_gone: meaning(
    '此素材将不会有文件',
    'The item is dead, expired or erased: `mediaStatus` says which.',
    '素材状态为 dead、expired 或 erased，见 `mediaStatus`。',
  ),
  body_too_large: meaning(
    '请求体过大',
    'A request to the API may have 1 MiB, a callback 64 KiB.',
    'API 的请求体不超过 1 MiB，回调不超过 64 KiB。',
  ),
  unsupported_type: meaning(
    '此接口不支持该内容类型',
    'The body is declared with a Content-Type other than application/json.',
    '请求体的 Content-Type 不是 application/json。',
  ),
  range_not_satisfiable: meaning(
    '请求的范围超出文件',
    'The header Range begins after the last byte.',
    '请求头 Range 的起点在最后一个字节之后。',
  ),
  too_many_requests: meaning(
    '请求过多',
    'This key has too many requests in progress, or repeats one that is limited in rate.',
    '该密钥正在进行的请求过多，或重复了有频率限制的请求。',
  ),
  export_running: meaning(
    '另一个导出正在进行',
    'An export uses memory and connections for as long as its download lasts, so only a few run at a time.',
    '导出在下载期间持续占用内存和连接，因此同时只能进行少量导出。',
  ),
  internal: meaning(
    '发生意外错误',
    'An error in this program. The log has a line "server: request failed" with it.',
    '程序内部错误，日志中有对应的 “server: request failed”。',
  ),
  alerts_off: meaning(
    '未配置告警地址',
    'There is no address to which a test message could be sent.',
    '没有可以发送测试消息的地址。',
  ),
  alert_not_sent: meaning(
    'ALERT_URL 的地址未接受告警',
    'The address was reached and refused the message, or it could not be reached.',
    '对方拒绝了消息，或无法连接该地址。',
  ),
  store_refused: meaning(
    '存储拒绝返回文件',
    'The storage responds, but with an error that repeating does not cure, such as a missing right.',
    '存储有响应，但返回了重试无法解决的错误，例如权限不足。',
  ),
  store_unavailable: meaning(
    '存储无响应',
    'The storage cannot be reached, or responds too slowly.',
    '无法连接存储，或响应过慢。',
  ),
  database_away: meaning(
    '元数据库暂时无响应',
    'The database cannot be reached, responds too slowly, or its disk is full.',
    '无法连接数据库，或响应过慢，或磁盘已满。',
  ),
  upstream_failed: meaning(
    '本服务之后的处理服务未及时响应',
    "The callback was passed on to the account's own handler, which did not respond within the 5 seconds that WeChat waits.",
    '回调已转发给账号自己的处理服务，但未在微信要求的 5 秒内响应。',
  ),
  not_written: meaning(
    '未能及时写入此回调中的素材',
    'Neither the database nor the local disk took the media ids in time, so WeChat is asked to send the callback again.',
    '数据库和本地磁盘均未及时写入素材 id，因此要求微信重新推送。',
  ),
  starting: meaning(
    '服务正在启动',
    'The address is open already, but the parts behind it are not.',
    '地址已可访问，但内部组件尚未就绪。',
  ),
  overloaded: meaning(
    '服务器过载',
    'API requests are refused before callbacks become slow.',
    '在回调变慢之前，先拒绝 API 请求。',
  ),
};
