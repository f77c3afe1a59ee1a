/** Checks of catalogue, spool and queue. */
import { type Check, findReported, fixedText, type LocalizedText } from './check.ts';

const MINUTE_MS = 60_000;
const TWO_MINUTES_MS = 2 * MINUTE_MS;

const RIGHTS: LocalizedText = {
  en: 'Correct the user, the password or its rights in REDIS_URL (or DATABASE_URL); the user must write to the keys of QUEUE_PREFIX.',
  zh: '请更正 REDIS_URL（或 DATABASE_URL）中的用户、密码或权限；该用户必须能写入 QUEUE_PREFIX 的键。',
};
/** The advice by the error code with which the queue refuses. */
const ADVICE: Readonly<Record<string, LocalizedText>> = {
  OOM: {
    en: 'Redis is full: raise its maxmemory, or remove other data from it. Keep maxmemory-policy noeviction.',
    zh: 'Redis 内存已满：请增大 maxmemory 或清理其中的其他数据，并保持 maxmemory-policy noeviction。',
  },
  READONLY: {
    en: 'Redis is a replica: make REDIS_URL point to the master.',
    zh: '当前 Redis 是只读副本：请让 REDIS_URL 的地址指向主节点。',
  },
  MISCONF: {
    en: 'Redis cannot save to its disk: check its log and its free space.',
    zh: 'Redis 无法写盘：请查看其日志和磁盘空间。',
  },
  NOPERM: RIGHTS,
  NOAUTH: RIGHTS,
  WRONGPASS: RIGHTS,
  '42501': RIGHTS,
  other: {
    en: 'Check the Redis of REDIS_URL, or Postgres: it responds but accepts no jobs.',
    zh: '请检查 REDIS_URL 指向的 Redis（或 Postgres）：它有响应但不接受任务。',
  },
};

export const INFRASTRUCTURE_CHECKS = {
  catalogue_away: {
    severity: 'error',
    component: 'catalogue',
    target: 'process',
    rule: 'The catalogue does not respond. The alert is sent after two minutes by each server and sweeper, because without the catalogue they cannot agree on one sender. Ends when the catalogue responds.',
    begun: (it) => ({
      en: `The catalogue does not respond to ${it.target}: nothing is archived.`,
      zh: `${it.target} 无法访问元数据库，归档已停止。`,
    }),
    ended: (it) => ({
      en: `The catalogue responds to ${it.target} again.`,
      zh: `${it.target} 已可访问元数据库。`,
    }),
    advice: fixedText(
      'Check the database of DATABASE_URL. Accepted items are safe and continue automatically.',
      '请检查 DATABASE_URL 指向的数据库；已接收的内容是安全的，恢复后会自动继续。',
    ),
    find: ({ catalogue, process }) => catalogue && (catalogue.ok ? [] : [{ target: process }]),
    alertAfterMs: TWO_MINUTES_MS,
  },
  events_delayed: {
    severity: 'warning',
    component: 'catalogue',
    rule: 'An event has waited for its place in the feed for a minute: no process gives places, or a transaction of another program holds a lock. Ends when none waits so long.',
    begun: fixedText(
      'Events do not get into the feed: clients of /v1/events and webhooks are told nothing new.',
      '事件无法进入事件流：/v1/events 的客户端和 webhook 收不到新事件。',
    ),
    ended: fixedText('Events get into the feed again.', '事件已恢复进入事件流。'),
    advice: fixedText(
      'Look in pg_locks and pg_stat_activity for a session that holds a lock on event_head, event_outbox or event, and end it. No event is lost.',
      '请在 pg_locks 和 pg_stat_activity 中查找锁住 event_head、event_outbox 或 event 的会话并结束它；事件不会丢失。',
    ),
    find: ({ events, now }) => {
      if (!events) return undefined;
      const { waitingSince } = events;
      if (!waitingSince || now.getTime() - waitingSince.getTime() < MINUTE_MS) return [];
      return [{ since: waitingSince }];
    },
  },
  queue_away: {
    severity: 'error',
    component: 'queue',
    rule: 'The queue (Redis, or the tables of BullMQ) does not respond. The alert is sent after two minutes. Ends with its next response.',
    begun: fixedText(
      'The queue does not respond; media items wait in the catalogue.',
      '队列无响应，素材在元数据库中等待。',
    ),
    ended: fixedText('The queue responds again.', '队列已恢复。'),
    advice: fixedText(
      'Check the Redis of REDIS_URL, or Postgres. Waiting media items are dispatched automatically afterwards.',
      '请检查 REDIS_URL 指向的 Redis（或 Postgres）；恢复后会自动重新入队。',
    ),
    find: ({ queue }) => queue && (queue.ok || queue.refused ? [] : [{}]),
    alertAfterMs: TWO_MINUTES_MS,
    alertUnless: ['queue_adds_failing'],
  },
  queue_refuses: {
    severity: 'error',
    component: 'queue',
    rule: 'The queue responds, but refuses a test write: Redis is full (`OOM`), demoted (`READONLY`), cannot save (`MISCONF`), or refuses the password or the rights; or the database is read-only. The alert is sent after a minute. Ends with the next write that succeeds.',
    begun: (it) => ({
      en: `The queue responds but refuses writes (${it.detail.code ?? 'unknown'}); media items wait in the catalogue.`,
      zh: `队列有响应但拒绝写入（${it.detail.code ?? '未知'}），素材在元数据库中等待。`,
    }),
    ended: fixedText('The queue accepts jobs again.', '队列已恢复写入。'),
    advice: (it) => ADVICE[String(it.detail.code)] ?? ADVICE.other!,
    find: ({ queue }) => queue && (!queue.ok && queue.refused ? [{ detail: { code: queue.refused } }] : []),
    alertAfterMs: MINUTE_MS,
  },
  queue_adds_failing: {
    severity: 'error',
    component: 'queue',
    target: 'process',
    rule: 'A process could not add any job for a minute. Ends when it adds one.',
    begun: (it) => ({
      en: `${it.target} could not add a job to the queue for a minute.`,
      zh: `${it.target} 已有一分钟无法向队列添加任务。`,
    }),
    ended: (it) => ({
      en: `${it.target} adds jobs to the queue again, or has ended.`,
      zh: `${it.target} 已恢复向队列添加任务，或已退出。`,
    }),
    advice: fixedText(
      'Check the log of that process and the Redis of REDIS_URL (or Postgres). Media items wait in the catalogue.',
      '请查看该进程的日志以及 REDIS_URL 指向的 Redis（或 Postgres）；素材在元数据库中等待。',
    ),
    find: findReported('queue_adds_failing'),
    alertUnless: ['queue_refuses'],
  },
  queue_shared: {
    severity: 'error',
    component: 'queue',
    target: 'process',
    rule: 'A program with another catalogue (`DATABASE_URL`, `DATABASE_SCHEMA`) uses the same queue in Redis. This is possible only where a program started while Redis or its catalogue was down. Checked every 3 s. Ends soon after the other program has stopped.',
    begun: (it) => ({
      en: `The queue of ${it.target} is used by another archiver too, and they take each other's jobs.`,
      zh: `${it.target} 的队列同时被另一套归档服务使用，双方会互相取走任务。`,
    }),
    ended: (it) => ({
      en: `The queue of ${it.target} is no longer shared.`,
      zh: `${it.target} 的队列已恢复独占。`,
    }),
    advice: fixedText(
      'Set QUEUE_PREFIX for one of the two archivers, and restart its programs.',
      '请为其中一套归档服务设置不同的 QUEUE_PREFIX 并重启。',
    ),
    find: findReported('queue_shared'),
  },
  spool_missing: {
    severity: 'warning',
    component: 'spool',
    target: 'process',
    rule: 'A server could not open its spool when it started, because `DATA_DIR` cannot be written. Ends with a restart that succeeds.',
    begun: (it) => ({
      en: `${it.target} has no spool: callbacks are refused while the catalogue is down.`,
      zh: `${it.target} 没有本地暂存：元数据库不可用时回调会被拒绝。`,
    }),
    ended: (it) => ({
      en: `${it.target} has a spool, or has ended.`,
      zh: `${it.target} 已有本地暂存或已退出。`,
    }),
    advice: fixedText(
      'Allow the user of the server to write to DATA_DIR, and restart the server.',
      '请允许服务进程的用户写入 DATA_DIR，然后重启。',
    ),
    find: findReported('spool_missing'),
  },
  spool_full: {
    severity: 'error',
    component: 'spool',
    target: 'process',
    rule: 'The spool of a server accepts no records: `SPOOL_BYTES` are used up, or its disk is full. Ends when it accepts records again.',
    begun: (it) => ({
      en: `The spool of ${it.target} or its disk is full.`,
      zh: `${it.target} 的本地暂存或其磁盘已满。`,
    }),
    ended: (it) => ({
      en: `The spool of ${it.target} accepts records again.`,
      zh: `${it.target} 的本地暂存已恢复。`,
    }),
    advice: fixedText(
      'Restore the database, or free space on the disk of DATA_DIR: callbacks are refused until then.',
      '请恢复数据库，或清理 DATA_DIR 所在磁盘；期间回调会被拒绝。',
    ),
    find: findReported('spool_full'),
  },
  spool_in_use: {
    severity: 'warning',
    // The spool works, but the catalogue does not.
    component: 'catalogue',
    target: 'process',
    rule: 'Callbacks are stored in the spool of `DATA_DIR` because the catalogue cannot be written. Ends when all of them are in the catalogue.',
    begun: (it) => ({
      en: `The catalogue is down: ${it.target} stores callbacks in its spool.`,
      zh: `元数据库不可写：${it.target} 正在将回调暂存到本地。`,
    }),
    ended: (it) => ({
      en: `The callbacks from the spool of ${it.target} are in the catalogue.`,
      zh: `${it.target} 暂存的回调已全部写入元数据库。`,
    }),
    advice: fixedText(
      'Restore the database of DATABASE_URL before the spool (SPOOL_BYTES) is full.',
      '请在本地暂存（SPOOL_BYTES）写满之前恢复 DATABASE_URL 指向的数据库。',
    ),
    find: findReported('spool_in_use'),
  },
} as const satisfies Record<string, Check>;
