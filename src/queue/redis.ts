/** BullMQ on Redis. Redis may be unavailable at any time, also at the start: nothing here waits for it without a limit. */
import { type JobJson, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { createRedisConnection } from '../runtime/network/redis-connection.ts';
import { createRepeatedLog } from '../runtime/repeated-log.ts';
import { settledWithin } from '../runtime/timeout.ts';
import { TLS_PLACES, tlsSentence } from '../tls-failures.ts';
import type { BullBackend, QueueBackend, QueueLog } from './backend.ts';
import { JOB_OPTIONS, QUEUE_NAME, STREAMS } from './job.ts';
import { createErrorReporter } from './redact-errors.ts';
import { misplacedIn } from './redis-marker.ts';

/**
 * Redis keeps a job's data as text. Text that is not JSON makes BullMQ throw before any code of ours gets the job, which
 * would stall and be fetched again without end. Read as null, the job fails with a reason.
 */
class TolerantWorker extends Worker {
  protected override createJob(job: JobJson, jobId: string) {
    return super.createJob(isJson(job.data) ? job : { ...job, data: 'null' }, jobId);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const KEPT = {
  removeOnComplete: { age: 3_600, count: 1_000 },
  removeOnFail: { age: 7 * 24 * 3_600, count: 5_000 },
};
const TIMEOUT_MS = 2_000;
const SILENT_MS = 5_000;
const PROBE_KEPT_MS = 60_000;
/** At most 2 s between two attempts to reconnect (ioredis: up to 5 s), so that a short outage stays short. */
const reconnectAfterMs = (times: number) => Math.min(50 * 2 ** times, 2_000);

export function connectRedis(options: Extract<QueueBackend, { kind: 'redis' }>, log: QueueLog): BullBackend {
  const { url, prefix, secureContext } = options;
  const tls = secureContext && { tls: { secureContext } };
  const report = createErrorReporter(log);
  let isClosed = false;
  const connectionLog = createConnectionLog(log, () => isClosed);
  // By default commands wait for an unavailable Redis without a limit. A producer needs the error at once.
  const producer = createRedisConnection(
    url,
    {
      ...tls,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: TIMEOUT_MS,
      // A silent connection stays "ready": nothing would be added until the kernel ends it, after a quarter of an hour.
      socketTimeout: SILENT_MS,
      retryStrategy: reconnectAfterMs,
    },
    { onError: connectionLog.lost },
  );
  connectionLog.watch(producer);

  return {
    prepare: async (signal) => {
      if (producer.status === 'ready') return;
      const ready = new Promise((resolve) => producer.once('ready', resolve));
      await settledWithin(ready, TIMEOUT_MS, signal);
    },
    createQueue: () =>
      new Queue(QUEUE_NAME, {
        connection: producer,
        prefix,
        defaultJobOptions: JOB_OPTIONS,
        streams: STREAMS,
      }),
    jobOptions: {},
    createWorker: (processor, settings) => {
      // BullMQ demands null here. On a half-open connection a command would then wait without end, hence the socket
      // timeout; it is longer than the longest BZPOPMIN (10 s). The worker duplicates the connection for blocking commands
      // and does not expose the copy, without which a worker cannot be closed while Redis is unavailable.
      const connections: Redis[] = [];
      const connection = createRedisConnection(
        url,
        {
          ...tls,
          maxRetriesPerRequest: null,
          socketTimeout: 20_000,
          retryStrategy: reconnectAfterMs,
        },
        { onError: report, onDuplicate: (copy) => connections.push(copy) },
      );
      connections.push(connection);
      return {
        worker: new TolerantWorker(QUEUE_NAME, processor, { ...settings, ...KEPT, connection, prefix }),
        disconnect: () => {
          for (const each of connections) each.disconnect();
        },
      };
    },
    unfinished: async (queue, jobIds) => {
      const states = await Promise.all(
        // One pipeline, with BullMQ's own script (0: not finished).
        jobIds.map(async (jobId) => [jobId, await queue.getBackend().isFinished(jobId)] as const),
      );
      return new Set(states.filter(([, finished]) => finished === 0).map(([jobId]) => jobId));
    },
    misplaced: (queue, jobIds) => misplacedIn(producer, queue, `${prefix}:${QUEUE_NAME}`, jobIds),
    existing: async (_queue, jobIds) => {
      const found = await Promise.all(
        jobIds.map((jobId) => producer.exists(`${prefix}:${QUEUE_NAME}:${jobId}`)),
      );
      return jobIds.filter((_, index) => found[index] === 1);
    },
    mark: async (owner, forMs) => {
      const key = `${prefix}:catalogue`;
      // Its owner renews it; the only clock is that of Redis.
      if ((await producer.set(key, owner, 'PX', forMs, 'NX')) === 'OK') return true;
      if ((await producer.get(key)) !== owner) return false;
      await producer.pexpire(key, forMs);
      return true;
    },
    // A Redis that is demoted, full or has revoked the right to write still serves reads.
    probe: () => producer.set(`${prefix}:probe`, '1', 'PX', PROBE_KEPT_MS),
    close: () => {
      isClosed = true;
      producer.disconnect();
      connectionLog.close();
    },
  };
}

/**
 * Logs that Redis became unavailable and available, at most once a minute: to a server that refuses writes the program
 * reconnects every second. At the first connection it checks the settings of Redis.
 */
function createConnectionLog(log: QueueLog, isClosed: () => boolean) {
  const repeated = createRepeatedLog(log);
  let isAway = false;
  let isChecked = false;
  const lost = (error?: Error) => {
    if (isAway || isClosed()) return;
    isAway = true;
    const why = tlsSentence(error, TLS_PLACES.redis);
    repeated.write(
      'warn',
      'away',
      { err: error },
      `queue: Redis unavailable, media items wait in their rows${why ? `. ${why}` : ''}`,
    );
  };
  return {
    lost,
    close: repeated.close,
    watch: (redis: Redis) => {
      redis.on('close', () => lost());
      redis.on('ready', () => {
        if (isAway) repeated.write('info', 'back', {}, 'queue: Redis available again');
        isAway = false;
        if (isChecked) return;
        isChecked = true;
        warnOfSettings(redis, log).catch((error) =>
          log.warn({ err: error }, 'queue: settings of Redis not read'),
        );
      });
    },
  };
}

/** INFO and not CONFIG GET: hosted Redis often forbids the latter. */
async function warnOfSettings(redis: Redis, log: QueueLog): Promise<void> {
  const info = await redis.info();
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy && policy !== 'noeviction') {
    log.warn({ policy }, 'queue: Redis may evict jobs, set maxmemory-policy noeviction');
  }
  if (/^aof_enabled:0/m.test(info)) {
    log.warn('queue: Redis loses its jobs in a crash, set appendonly yes (lost jobs are dispatched again)');
  }
}
