/** Everything somebody is told about: when it is, in what words, and what to do. One table for code and docs. */
import type { Trouble } from '../../catalogue/incidents.ts';
import { type Explanation, FAILURES } from '../../failures.ts';
import { explain } from '../../wechat/errcodes.ts';

type Words = Explanation['message'];
/** An incident in the words of its sentence. `target` is named as people know it. */
export type Said = Pick<Trouble, 'target' | 'count' | 'detail'>;

export interface Kind {
  /** For docs/operations.md: when it begins and when it ends. */
  readonly rule: string;
  readonly begun: (said: Said) => Words;
  readonly ended: (said: Said) => Words;
  readonly advice: (said: Said) => Words;
  /** What `target` is; absent: there is one of it. */
  readonly target?: 'account' | 'process';
}

const hours = (value: string | number | undefined): string => {
  const minutes = Math.round(Number(value ?? 0) / 60);
  if (minutes < 1) return '1 min';
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
};

const explained = ({ detail }: Said): Explanation =>
  explain({
    code: String(detail.code ?? 'unknown_errcode'),
    ...(detail.errcode === undefined ? {} : { errcode: Number(detail.errcode) }),
  });

/** Who wanted a hold by hand says why. */
function whyHeld(it: Said): Explanation {
  const { message, advice } = explained(it);
  const { by = '?', reason } = it.detail;
  const words = reason ? ` (${by}: ${reason})` : '';
  return { message: { en: message.en + words, zh: message.zh + words }, advice };
}

const nearest = ({ detail }: Said): Words => {
  const seconds = Number(detail.nearestSeconds ?? 0);
  return seconds > 0
    ? { en: `the nearest deadline is in ${hours(seconds)}`, zh: `最近的截止时间还有 ${hours(seconds)}` }
    : { en: 'the nearest deadline has passed', zh: '最近的截止时间已过' };
};

const always = (en: string, zh: string) => () => ({ en, zh });

export const KINDS = {
  account_held: {
    target: 'account',
    rule: 'An account waits as a whole, by itself or by hand. Not for the limit of a minute, which ends by itself within one. Ends when a media of the account got through, or on release.',
    begun: (it) => ({
      en: `Account ${it.target} is held: ${whyHeld(it).message.en}`,
      zh: `账号 ${it.target} 已暂停归档：${whyHeld(it).message.zh}`,
    }),
    ended: (it) => ({ en: `Account ${it.target} works again.`, zh: `账号 ${it.target} 已恢复。` }),
    advice: (it) => whyHeld(it).advice,
  },
  store_held: {
    rule: 'The store took neither a media nor a test object, for it refuses or is away: all archiving waits. Ends when a test object is taken.',
    begun: (it) => ({
      en: `All archiving is held: ${explained(it).message.en}`,
      zh: `归档已全部暂停：${explained(it).message.zh}`,
    }),
    ended: always('The storage takes objects again; archiving goes on.', '对象存储已恢复，归档继续进行。'),
    advice: (it) => explained(it).advice,
  },
  store_refused: {
    rule: 'The store refused a media when it was last tried, and archiving as a whole is not held. Ends when none is left.',
    begun: (it) => ({
      en: `The storage refused ${it.count} media.`,
      zh: `对象存储拒绝了 ${it.count} 个素材。`,
    }),
    ended: always('No media is refused by the storage any more.', '对象存储不再拒绝任何素材。'),
    advice: () => FAILURES.store_refused.advice,
  },
  at_risk: {
    rule: 'Media known for five minutes are not archived and within a twelfth of a life (6 h) of their deadline, or past it. Ends when none is left.',
    begun: (it) => ({
      en: `${it.count} media are close to expiring and not archived: ${nearest(it).en}.`,
      zh: `${it.count} 个素材即将过期且尚未归档：${nearest(it).zh}。`,
    }),
    ended: always('No media is close to expiring any more.', '已没有即将过期的素材。'),
    advice: always(
      'Look at the held accounts and at the failures of the pending media, on the dashboard or in GET /v1/stats.',
      '请在控制台或 GET /v1/stats 查看被暂停的账号和待归档素材的失败原因。',
    ),
  },
  expired: {
    rule: 'Media expired: WeChat keeps them no longer. `count` is of the last 6 h, so when it is said again, of those since the last message. Ends when none has for 6 h.',
    begun: (it) => ({
      en: `${it.count} media expired before they could be archived.`,
      zh: `${it.count} 个素材在归档前已过期。`,
    }),
    ended: always('No media has expired for six hours.', '最近六小时内没有素材过期。'),
    advice: always(
      'See why in GET /v1/media?status=expired; where WeChat still has one, redrive it with force.',
      '原因见 GET /v1/media?status=expired；若微信仍保留素材，可强制重新归档（force）。',
    ),
  },
  no_callbacks: {
    target: 'account',
    rule: 'An account that used to get messages gets none. It is silent for 24 h where each of the seven days before had at least 20 messages; else for two days longer than its longest silence, in whole UTC days, of the 28 days before. Accounts with messages on fewer than three of those days are never said. Ends with the next callback. Calendar days: `TIME_SCALE` does not apply.',
    begun: (it) => ({
      en: `Account ${it.target} has had no callback for ${hours(it.detail.silentSeconds)}; it used to get some.`,
      zh: `账号 ${it.target} 已 ${hours(it.detail.silentSeconds)} 没有收到回调，此前一直有消息。`,
    }),
    ended: (it) => ({
      en: `Callbacks of account ${it.target} arrive again.`,
      zh: `账号 ${it.target} 重新收到回调。`,
    }),
    advice: always(
      "Compare the callback URL and its state in WeChat's console with GET /v1/accounts, and try it from outside.",
      '请核对微信后台的回调地址及其启用状态（参见 GET /v1/accounts），并从外网测试该地址。',
    ),
  },
  queue_away: {
    rule: 'The queue (Redis, or the tables of BullMQ) has not answered for two minutes. Ends with its next answer.',
    begun: always(
      'The queue does not answer; media wait in the catalogue.',
      '队列无响应，素材在目录数据库中等待。',
    ),
    ended: always('The queue answers again.', '队列已恢复。'),
    advice: always(
      'Look at the Redis of REDIS_URL, or at Postgres; media are fed again by themselves.',
      '请检查 REDIS_URL 指向的 Redis（或 Postgres）；恢复后会自动重新入队。',
    ),
  },
  worker_quiet: {
    target: 'process',
    rule: 'The watchdog of a worker has restarted its consumer. Ends when the worker begins a media again, or is gone.',
    begun: (it) => ({
      en: `The worker ${it.target} began no media although some wait; its consumer was restarted (${it.count}×).`,
      zh: `工作进程 ${it.target} 在有素材等待时没有开始处理；已重启其消费者（${it.count} 次）。`,
    }),
    ended: (it) => ({
      en: `The worker ${it.target} works again, or is gone.`,
      zh: `工作进程 ${it.target} 已恢复或已退出。`,
    }),
    advice: always(
      'Look at the connection from the worker to Redis or Postgres; a supervisor that heeds /livez restarts it.',
      '请检查该进程到 Redis 或 Postgres 的网络；按 /livez 监控的守护程序会自动重启它。',
    ),
  },
  disk_floor: {
    target: 'process',
    rule: 'The disk of `DATA_DIR` has less than the floor free, in a process that writes there. Ends when it has more.',
    begun: (it) => ({
      en: `The disk of ${it.target} is almost full: new writes are refused.`,
      zh: `${it.target} 的磁盘空间即将用尽，新的写入已被拒绝。`,
    }),
    ended: (it) => ({
      en: `The disk of ${it.target} has room again.`,
      zh: `${it.target} 的磁盘空间已恢复。`,
    }),
    advice: () => FAILURES.disk_full.advice,
  },
  spool_in_use: {
    target: 'process',
    rule: 'Callbacks are kept in the spool of `DATA_DIR` because the catalogue cannot be written. Said by the process itself. Ends when all of them are in the catalogue.',
    begun: (it) => ({
      en: `The catalogue is away: ${it.target} keeps callbacks in its spool.`,
      zh: `目录数据库不可写：${it.target} 正在将回调暂存到本地。`,
    }),
    ended: (it) => ({
      en: `The callbacks in the spool of ${it.target} are in the catalogue.`,
      zh: `${it.target} 暂存的回调已全部写入目录数据库。`,
    }),
    advice: always(
      'Bring the database of DATABASE_URL back before the spool (SPOOL_BYTES) is full.',
      '请在本地暂存（SPOOL_BYTES）写满之前恢复 DATABASE_URL 指向的数据库。',
    ),
  },
  catalogue_away: {
    target: 'process',
    rule: 'A server or sweeper has not reached the catalogue for two minutes. Said by the process itself, for there is nowhere to agree on who says it.',
    begun: (it) => ({
      en: `The catalogue does not answer ${it.target}: nothing is archived.`,
      zh: `${it.target} 无法访问目录数据库，归档已停止。`,
    }),
    ended: (it) => ({
      en: `The catalogue answers ${it.target} again.`,
      zh: `${it.target} 已可访问目录数据库。`,
    }),
    advice: always(
      'Look at the database of DATABASE_URL; what was accepted is safe and goes on by itself.',
      '请检查 DATABASE_URL 指向的数据库；已接收的内容是安全的，恢复后会自动继续。',
    ),
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
/** A newer release may know more. */
export const isKind = (name: string): name is KindName => Object.hasOwn(KINDS, name);

/** Of a process, not of the whole: reported by itself, ended when it stops reporting. */
export type LocalKind = 'worker_quiet' | 'disk_floor' | 'spool_in_use' | 'catalogue_away';
