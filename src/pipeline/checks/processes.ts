/** Checks of single processes, above all of workers. */
import { FAILURES } from '../../failures.ts';
import {
  type Check,
  type Facts,
  findReported,
  fixedText,
  type LocalizedText,
  type NamedFinding,
} from './check.ts';

/** Real time, because it is about processes. A worker that is killed counts as alive for another 15 s. */
const MISSING_MS = 10_000;
/** During a deployment workers end before others have started. */
const MISSING_ALERT_MS = 60_000;
/** Leases last some seconds, and the measurement is exact to half a second. */
const SKEW_MS = 10_000;

/** Returns since when items wait for a worker while none has been alive for {@link MISSING_MS}. */
function missingSince({ workers, now }: Facts): Date | undefined {
  if (!workers || workers.alive > 0 || !workers.dueSince) return undefined;
  const { dueSince, lastSeenMs = Number.POSITIVE_INFINITY } = workers;
  const goneMs = Math.min(lastSeenMs, now.getTime() - dueSince.getTime());
  return goneMs >= MISSING_MS ? new Date(now.getTime() - goneMs) : undefined;
}

const skewWords = ({ target, detail }: NamedFinding): LocalizedText => {
  const ms = Number(detail.aheadMs ?? 0);
  const seconds = Math.round(Math.abs(ms) / 1000);
  return ms > 0
    ? {
        en: `The clock of ${target} is ${seconds} s ahead of the database's.`,
        zh: `${target} 的时钟比数据库快 ${seconds} 秒。`,
      }
    : {
        en: `The clock of ${target} is ${seconds} s behind the database's.`,
        zh: `${target} 的时钟比数据库慢 ${seconds} 秒。`,
      };
};

export const PROCESS_CHECKS = {
  workers_missing: {
    severity: 'error',
    component: 'workers',
    rule: 'Media items wait in the queue, or are due although neither their account nor the store is held, and no worker has been alive for 10 s. The alert is sent after a minute. Ends with the first heartbeat of a worker, or when nothing waits.',
    begun: fixedText(
      'No worker is alive although media items wait: nothing is archived.',
      '有素材等待，但没有存活的工作进程，归档已停止。',
    ),
    ended: fixedText('A worker is alive again, or nothing waits.', '工作进程已恢复，或已没有等待的素材。'),
    advice: fixedText(
      'Start a worker (npm run worker), and check the log of the workers that ended.',
      '请启动工作进程（npm run worker），并查看已退出进程的日志。',
    ),
    find: (facts) => {
      if (!facts.workers) return undefined;
      const since = missingSince(facts);
      return since ? [{ since }] : [];
    },
    alertAfterMs: MISSING_ALERT_MS,
  },
  // Operators who start the service should know this before the first item arrives. Scaling to zero is no fault.
  workers_none: {
    severity: 'notice',
    component: 'workers',
    rule: 'No worker is alive, and no item waits for one (else it is `workers_missing`). Ends with the first heartbeat of a worker.',
    begun: fixedText('No worker is alive.', '没有存活的工作进程。'),
    ended: fixedText('A worker is alive.', '工作进程已在运行。'),
    advice: fixedText(
      'Start one (npm run worker): new items wait until then.',
      '请启动工作进程（npm run worker）：在此之前收到的素材会一直等待。',
    ),
    find: (facts) => {
      if (!facts.workers) return undefined;
      return facts.workers.alive === 0 && !missingSince(facts) ? [{}] : [];
    },
    except: ['readyz', 'alerts', 'page'],
  },
  consumer_closed: {
    severity: 'error',
    component: 'workers',
    target: 'process',
    rule: 'A worker has not opened its consumer yet. The alert is sent after two minutes. Ends when it takes jobs.',
    begun: (it) => ({
      en: `The worker ${it.target} takes no jobs yet.`,
      zh: `工作进程 ${it.target} 尚未开始接收任务。`,
    }),
    ended: (it) => ({
      en: `The worker ${it.target} takes jobs, or has ended.`,
      zh: `工作进程 ${it.target} 已开始接收任务或已退出。`,
    }),
    advice: fixedText(
      'It waits for the queue: check the Redis of REDIS_URL, or Postgres.',
      '它在等待队列：请检查 REDIS_URL 指向的 Redis（或 Postgres）。',
    ),
    find: findReported('consumer_closed'),
    alertAfterMs: 2 * 60_000,
  },
  worker_quiet: {
    severity: 'error',
    component: 'workers',
    target: 'process',
    rule: 'The watchdog of a worker has restarted its consumer. Ends when the worker takes a job again, or has ended.',
    begun: (it) => ({
      en: `The worker ${it.target} took no job although some wait; its consumer was restarted (${it.count}×).`,
      zh: `工作进程 ${it.target} 在有素材等待时没有开始处理；已重启其消费者（${it.count} 次）。`,
    }),
    ended: (it) => ({
      en: `The worker ${it.target} works again, or has ended.`,
      zh: `工作进程 ${it.target} 已恢复或已退出。`,
    }),
    advice: fixedText(
      'Check the connection from the worker to Redis or Postgres. A supervisor that uses /livez restarts the worker.',
      '请检查该进程到 Redis 或 Postgres 的网络；按 /livez 监控的守护程序会自动重启它。',
    ),
    find: findReported('worker_quiet'),
  },
  loop_failing: {
    severity: 'error',
    component: 'process',
    target: 'process',
    rule: 'A background loop of a process has failed at least three times in a row, for 30 s or longer. Not known while catalogue or queue do not respond, because most loops fail then. The alert is sent after a minute, unless the store has a finding, or jobs cannot be added. Ends when the loop succeeds, or the process has ended.',
    begun: (it) => ({
      en: `Background work of ${it.target} fails again and again: ${it.detail.loops ?? '…'}.`,
      zh: `${it.target} 的后台任务持续失败：${it.detail.loops ?? '…'}。`,
    }),
    ended: (it) => ({
      en: `All background work of ${it.target} succeeds again, or the process has ended.`,
      zh: `${it.target} 的后台任务已全部恢复，或该进程已退出。`,
    }),
    advice: fixedText(
      'Search the log of that process for "failed, retrying": the line has the error. wma_background_errors_total counts them.',
      '请在该进程的日志中搜索 “failed, retrying” 查看错误原因；wma_background_errors_total 有计数。',
    ),
    find: (facts) =>
      facts.catalogue?.ok === false || facts.queue?.ok === false
        ? undefined
        : findReported('loop_failing')(facts),
    alertAfterMs: 60_000,
    alertUnless: ['queue_adds_failing', 'store_held', 'store_unavailable', 'store_unreachable'],
  },
  clock_skewed: {
    severity: 'error',
    component: 'process',
    target: 'process',
    rule: "The clock of a process and the database's clock differ by more than 10 s. Ends when they do not.",
    begun: skewWords,
    ended: (it) => ({
      en: `The clock of ${it.target} agrees with the database's, or the process has ended.`,
      zh: `${it.target} 的时钟已与数据库一致，或该进程已退出。`,
    }),
    advice: fixedText(
      'Set the clocks of all machines by NTP. wma doctor shows each of them.',
      '请用 NTP 校准所有机器的时钟；wma doctor 会逐一列出。',
    ),
    find: ({ processes }) =>
      processes
        ?.filter(({ clockAheadMs = 0 }) => Math.abs(clockAheadMs) > SKEW_MS)
        .map(({ name, clockAheadMs = 0 }) => ({ target: name, detail: { aheadMs: clockAheadMs } })),
  },
  store_clock_skewed: {
    severity: 'error',
    component: 'process',
    target: 'process',
    rule: "The store refuses the requests of a process because of its clock; the sentence contains the difference to the store's clock in seconds. That process archives nothing, the others continue. Ends when the store accepts its test object.",
    begun: (it) => ({
      en: `${it.target} archives nothing because the store refuses its clock: ${it.detail.words ?? 'clock_skewed'}.`,
      zh: `${it.target} 已停止归档，对象存储不接受其时钟：${it.detail.words ?? 'clock_skewed'}。`,
    }),
    ended: (it) => ({
      en: `The store accepts requests of ${it.target} again, or the process has ended.`,
      zh: `对象存储重新接受 ${it.target} 的签名，或该进程已退出。`,
    }),
    advice: () => FAILURES.clock_skewed.advice,
    find: (facts) => {
      const failure = facts.store?.ok === false ? facts.store.failure : undefined;
      const here =
        failure?.code === 'clock_skewed'
          ? [{ target: facts.process, detail: { words: failure.detail ?? failure.code } }]
          : [];
      const reported = findReported('store_clock_skewed')(facts);
      if (!reported && !facts.store) return undefined;
      return [...here, ...(reported ?? []).filter(({ target }) => target !== here[0]?.target)];
    },
  },
  disk_floor: {
    severity: 'error',
    component: 'process',
    target: 'process',
    rule: 'The disk of `DATA_DIR` has less free space than its minimum, in a process that writes there. Ends when it has more.',
    begun: (it) => ({
      en: `The disk of ${it.target} is almost full: new writes are refused.`,
      zh: `${it.target} 的磁盘空间即将用尽，新的写入已被拒绝。`,
    }),
    ended: (it) => ({
      en: `The disk of ${it.target} has enough free space again.`,
      zh: `${it.target} 的磁盘空间已恢复。`,
    }),
    advice: () => FAILURES.disk_full.advice,
    find: findReported('disk_floor'),
  },
} as const satisfies Record<string, Check>;
