// What the page says, in two languages. Sentences about failures come from the server in the language asked for.

const en = {
  skip: 'Skip to the content',
  navigation: 'Pages',
  docs: 'API',
  queue: 'Queue',
  signOut: 'Sign out',
  counts: 'Counts',
  backlog: 'Waiting, by time left',
  newest: 'Newest media',
  deadLetters: 'Dead letters',
  accounts: 'Accounts',
  all: 'All',
  archived: 'Archived',
  pending: 'Pending',
  dead: 'Dead',
  expired: 'Expired',
  erased: 'Erased',
  image: 'Picture',
  voice: 'Voice',
  video: 'Video',
  shortvideo: 'Short video',
  thumb: 'Cover',
  file: 'File',
  overdue: 'overdue',
  under1h: 'under 1 h',
  under6h: 'under 6 h',
  under24h: 'under 24 h',
  over24h: 'over 24 h',
  queued: 'queued',
  running: 'being fetched',
  retry: 'waiting to be tried again',
  accountHeld: 'account held',
  storeHeld: 'storage held',
  perMinute: (n) => `${n} in the last minute`,
  nothingWaits: 'Nothing is waiting.',
  tightest: (time) => `nearest deadline ${time}`,
  calm: 'All is well',
  busy: (n) => `Archiving ${n}`,
  risk: (n) => `${n} at risk of expiring`,
  held: (n) => `${n} ${n === 1 ? 'account' : 'accounts'} held`,
  lost: 'The server does not answer. This page keeps trying.',
  forbidden: 'This key may not read.',
  emptyTitle: 'Nothing has arrived yet',
  emptyText:
    "Paste this address into the server settings of WeChat's console. The next picture, voice or video a user sends appears here.",
  emptyFilter: 'Nothing in this state.',
  copy: 'Copy',
  copied: 'Copied',
  download: 'Download',
  noPlayer: 'Browsers cannot play this format.',
  open: 'Open',
  openNamed: (name) => `Open ${name}`,
  from: (kind, who) => `${kind} from ${who}`,
  retryNow: 'Try again',
  mayNot: 'This key may not do that.',
  notDone: 'That did not work. Try again in a moment.',
  tries: (n) => (n === 1 ? '1 try' : `${n} tries`),
  expires: (time) => `expires ${time}`,
  until: (time) => `next try ${time}`,
  lastCallback: (time) => `last callback ${time}`,
  noCallback: 'no callback yet',
  token: (time) => `token renews ${time}`,
  noToken: 'no token yet',
  holds: 'Accounts on hold',
  isHeld: (name) => `${name} is on hold.`,
  heldBy: (who, reason) => `Held by ${who}: ${reason}`,
  since: (time) => `began ${time}`,
  heldUntil: (time) => `tried again ${time}`,
  untilReleased: 'until it is released',
  release: 'Release',
  probe: 'Try now',
  callbacksToday: (n) => `callbacks today: ${n}`,
  refusedToday: (n) => `(${n} refused)`,
  skew: (n) => `It is off by ${n} s.`,
  working: 'working',
  last: (time) => `last ${time}`,
};

/** @type {typeof en} */
const zh = {
  skip: '跳到正文',
  navigation: '页面',
  docs: '接口文档',
  queue: '队列',
  signOut: '退出',
  counts: '统计',
  backlog: '待处理（按剩余时间）',
  newest: '最新素材',
  deadLetters: '死信',
  accounts: '账号',
  all: '全部',
  archived: '已归档',
  pending: '待处理',
  dead: '失败',
  expired: '已过期',
  erased: '已清除',
  image: '图片',
  voice: '语音',
  video: '视频',
  shortvideo: '小视频',
  thumb: '封面',
  file: '文件',
  overdue: '已超时',
  under1h: '1 小时内',
  under6h: '6 小时内',
  under24h: '24 小时内',
  over24h: '24 小时以上',
  queued: '排队中',
  running: '下载中',
  retry: '等待重试',
  accountHeld: '账号暂停',
  storeHeld: '存储暂停',
  perMinute: (n) => `最近一分钟 ${n} 个`,
  nothingWaits: '没有待处理的素材。',
  tightest: (time) => `最近的到期时间：${time}`,
  calm: '一切正常',
  busy: (n) => `正在归档 ${n} 个`,
  risk: (n) => `${n} 个即将过期`,
  held: (n) => `${n} 个账号已暂停`,
  lost: '服务无响应，正在重试。',
  forbidden: '该密钥没有读取权限。',
  emptyTitle: '还没有收到素材',
  emptyText: '请将此地址填入微信后台的服务器配置。用户发送的图片、语音或视频会显示在这里。',
  emptyFilter: '没有该状态的素材。',
  copy: '复制',
  copied: '已复制',
  download: '下载',
  noPlayer: '浏览器无法播放此格式。',
  open: '打开',
  openNamed: (name) => `打开 ${name}`,
  from: (kind, who) => `${who} 的${kind}`,
  retryNow: '重试',
  mayNot: '该密钥没有此操作的权限。',
  notDone: '操作未成功，请稍后再试。',
  tries: (n) => `尝试 ${n} 次`,
  expires: (time) => `${time}过期`,
  until: (time) => `${time}重试`,
  lastCallback: (time) => `最近回调：${time}`,
  noCallback: '尚未收到回调',
  token: (time) => `令牌${time}更新`,
  noToken: '尚无令牌',
  holds: '已暂停的账号',
  isHeld: (name) => `账号 ${name} 已暂停。`,
  heldBy: (who, reason) => `由 ${who} 暂停：${reason}`,
  since: (time) => `开始于${time}`,
  heldUntil: (time) => `${time}再次检测`,
  untilReleased: '直至手动恢复',
  release: '恢复',
  probe: '立即检测',
  callbacksToday: (n) => `今日回调 ${n} 次`,
  refusedToday: (n) => `（拒绝 ${n} 次）`,
  skew: (n) => `相差 ${n} 秒。`,
  working: '正常',
  last: (time) => `最近一次：${time}`,
};

const LANGUAGES = { en: { words: en, tag: 'en' }, zh: { words: zh, tag: 'zh-CN' } };

/** @param {readonly string[]} preferred the languages a reader likes, best first */
export function chooseLanguage(preferred) {
  for (const tag of preferred) {
    if (tag.toLowerCase().startsWith('zh')) return 'zh';
    if (tag.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

/** Everything that depends on the language: words, and how times and numbers are written. */
export function createSpeech(language) {
  const { words, tag } = LANGUAGES[language];
  const number = new Intl.NumberFormat(tag);
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'short' });
  const exact = new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'medium' });
  return {
    language,
    tag,
    words,
    number: (value) => number.format(value),
    exact: (iso) => exact.format(new Date(iso)),
    relative: (iso, now = Date.now()) => {
      const seconds = (Date.parse(iso) - now) / 1000;
      const size = Math.abs(seconds);
      if (size < 60) return relative.format(Math.round(seconds), 'second');
      if (size < 3600) return relative.format(Math.round(seconds / 60), 'minute');
      if (size < 86_400) return relative.format(Math.round(seconds / 3600), 'hour');
      return relative.format(Math.round(seconds / 86_400), 'day');
    },
    size: (bytes) => {
      const units = ['B', 'KB', 'MB', 'GB'];
      const power = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024)));
      const value = bytes / 1024 ** power;
      return `${number.format(power === 0 ? value : Math.round(value * 10) / 10)} ${units[power]}`;
    },
  };
}
