/** Checks of what the program stands on: catalogue, spool, queue. */
import { always, type Check, reported } from './check.ts';

const TWO_MINUTES_MS = 2 * 60_000;

export const PART_CHECKS = {
  catalogue_away: {
    severity: 'error',
    part: 'catalogue',
    target: 'process',
    rule: 'The catalogue does not respond. The alert comes after two minutes, from a server or sweeper, by the process itself, since there is nowhere to agree on who sends it.',
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
    find: ({ catalogue, process }) => catalogue && (catalogue.ok ? [] : [{ target: process }]),
    alertAfterMs: TWO_MINUTES_MS,
  },
  queue_away: {
    severity: 'error',
    part: 'queue',
    rule: 'The queue (Redis, or the tables of BullMQ) does not respond. The alert comes after two minutes. Ends with its next response.',
    begun: always(
      'The queue does not answer; media wait in the catalogue.',
      '队列无响应，素材在目录数据库中等待。',
    ),
    ended: always('The queue answers again.', '队列已恢复。'),
    advice: always(
      'Look at the Redis of REDIS_URL, or at Postgres; media are fed again by themselves.',
      '请检查 REDIS_URL 指向的 Redis（或 Postgres）；恢复后会自动重新入队。',
    ),
    find: ({ queue }) => queue && (queue.ok ? [] : [{}]),
    alertAfterMs: TWO_MINUTES_MS,
  },
  queue_shared: {
    severity: 'error',
    part: 'queue',
    target: 'process',
    rule: 'A program of another catalogue (`DATABASE_URL`, `DATABASE_SCHEMA`) has marked the queue in Redis, which happens only to programs that started while Redis or their catalogue was away. Looked at every 3 s. Ends soon after the other one has.',
    begun: (it) => ({
      en: `The queue of ${it.target} is used by another archiver too: they take each other's jobs.`,
      zh: `${it.target} 的队列同时被另一套归档服务使用，双方会互相取走任务。`,
    }),
    ended: (it) => ({
      en: `The queue of ${it.target} is its own again.`,
      zh: `${it.target} 的队列已恢复独占。`,
    }),
    advice: always(
      'Set QUEUE_PREFIX for one of the two archivers, and restart its programs.',
      '请为其中一套归档服务设置不同的 QUEUE_PREFIX 并重启。',
    ),
    find: reported('queue_shared'),
  },
  spool_missing: {
    severity: 'warning',
    part: 'spool',
    target: 'process',
    rule: 'A server could not open its spool at its start, because `DATA_DIR` cannot be written. Ends with a restart that can.',
    begun: (it) => ({
      en: `${it.target} has no spool: callbacks are refused while the catalogue is away.`,
      zh: `${it.target} 没有本地暂存：目录数据库不可用时回调会被拒绝。`,
    }),
    ended: (it) => ({
      en: `${it.target} has a spool, or is gone.`,
      zh: `${it.target} 已有本地暂存或已退出。`,
    }),
    advice: always(
      'Let the user of the server write to DATA_DIR, and restart it.',
      '请允许服务进程的用户写入 DATA_DIR，然后重启。',
    ),
    find: reported('spool_missing'),
  },
  spool_full: {
    severity: 'error',
    part: 'spool',
    target: 'process',
    rule: 'The spool of a server takes no more: `SPOOL_BYTES` are used, or its disk is full. Ends when it takes records again.',
    begun: (it) => ({
      en: `The spool of ${it.target} is full, or its disk is.`,
      zh: `${it.target} 的本地暂存或其磁盘已满。`,
    }),
    ended: (it) => ({
      en: `The spool of ${it.target} takes records again.`,
      zh: `${it.target} 的本地暂存已恢复。`,
    }),
    advice: always(
      'Bring the database back, or free space on the disk of DATA_DIR: callbacks are refused meanwhile.',
      '请恢复数据库，或清理 DATA_DIR 所在磁盘；期间回调会被拒绝。',
    ),
    find: reported('spool_full'),
  },
  spool_in_use: {
    severity: 'warning',
    // The spool works; it is the catalogue that does not.
    part: 'catalogue',
    target: 'process',
    rule: 'Callbacks are kept in the spool of `DATA_DIR` because the catalogue cannot be written. Ends when all of them are in the catalogue.',
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
    find: reported('spool_in_use'),
  },
} as const satisfies Record<string, Check>;
