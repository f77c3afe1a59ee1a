/** Checks of single processes: workers above all. */
import { FAILURES } from '../../failures.ts';
import { always, type Check, reported } from './check.ts';

export const PROCESS_CHECKS = {
  consumer_closed: {
    severity: 'error',
    part: 'workers',
    target: 'process',
    rule: 'A worker has not opened its consumer yet. Ends when it takes jobs. The alert comes after two minutes.',
    begun: (it) => ({
      en: `The worker ${it.target} takes no jobs yet.`,
      zh: `工作进程 ${it.target} 尚未开始接收任务。`,
    }),
    ended: (it) => ({
      en: `The worker ${it.target} takes jobs, or is gone.`,
      zh: `工作进程 ${it.target} 已开始接收任务或已退出。`,
    }),
    advice: always(
      'It waits for the queue: look at the Redis of REDIS_URL, or at Postgres.',
      '它在等待队列：请检查 REDIS_URL 指向的 Redis（或 Postgres）。',
    ),
    find: reported('consumer_closed'),
    alertAfterMs: 2 * 60_000,
  },
  worker_quiet: {
    severity: 'error',
    part: 'workers',
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
    find: reported('worker_quiet'),
  },
  disk_floor: {
    severity: 'error',
    part: 'process',
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
    find: reported('disk_floor'),
  },
} as const satisfies Record<string, Check>;
