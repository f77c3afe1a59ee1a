/** BullMQ on Redis. Redis may be away at any time, at the start too: nothing here hangs or fails for it. */
import { type JobJson, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Log } from '../runtime/log.ts';
import { createRedisConnection } from '../runtime/network/redis-connection.ts';
import { createRepeatedLog } from '../runtime/repeated-log.ts';
import { TLS_PLACES, tlsSentence } from '../tls-failures.ts';
import type { BullBackend, QueueBackend } from './backend.ts';
import { JOB_OPTIONS, QUEUE_NAME, STREAMS } from './job.ts';
import { createErrorReporter } from './redact-errors.ts';
import { misplacedIn } from './redis-marker.ts';
import { endsWithin } from './timeouts.ts';

/**
 * Redis keeps a job's data as text, and what is not JSON makes BullMQ throw before any code of ours sees the job: it
 * would stall and be fetched again for ever. Read as null, it fails for good with a reason.
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
/** At most this long between two tries to reconnect (ioredis: up to 5 s), so that a short outage stays short. */
const reconnectAfterMs = (times: number) => Math.min(50 * 2 ** times, 2_000);

export function connectRedis(options: Extract<QueueBackend, { kind: 'redis' }>, log: Log): BullBackend {
  const { url, prefix, secureContext } = options;
  const tls = secureContext && { tls: { secureContext } };
  const report = createErrorReporter(log);
  // By default commands given while Redis is away wait for it, for ever. A producer wants to hear at once.
  let closed = false;
  const contact = createConnectionLog(log, () => closed);
  const producer = createRedisConnection(
    url,
    {
      ...tls,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: TIMEOUT_MS,
      // A line that fell silent stays "ready": nothing would be fed until the kernel gives it up, a quarter of an hour.
      socketTimeout: SILENT_MS,
      retryStrategy: reconnectAfterMs,
    },
    { onError: contact.lost },
  );
  contact.watch(producer);

  return {
    prepare: async (signal) => {
      if (producer.status === 'ready') return;
      const ready = new Promise((resolve) => producer.once('ready', resolve));
      await endsWithin(TIMEOUT_MS, ready, signal);
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
      // BullMQ demands null here. A half-open line would then wait for ever; longer than the longest BZPOPMIN (10 s).
      // The worker makes a second connection to block on and gives no handle on it; without one a worker cannot be
      // closed while Redis is away.
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
        // Written in one go, answered in one go: a pipeline, on BullMQ's own script (0: not finished).
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
      // Renewed by whoever has it; no clock but that of Redis.
      if ((await producer.set(key, owner, 'PX', forMs, 'NX')) === 'OK') return true;
      if ((await producer.get(key)) !== owner) return false;
      await producer.pexpire(key, forMs);
      return true;
    },
    // A demoted master, one that is full, or rights taken away: all of them go on to answer reads.
    probe: () => producer.set(`${prefix}:probe`, '1', 'PX', PROBE_KEPT_MS),
    close: () => {
      closed = true;
      producer.disconnect();
      contact.close();
    },
  };
}

/**
 * Says that Redis went away and that it came back, once a minute at most: a server that refuses writes is connected to
 * anew every second. At first contact looks at its settings.
 */
function createConnectionLog(log: Log, isClosed: () => boolean) {
  const repeated = createRepeatedLog(log);
  let away = false;
  let looked = false;
  const lost = (error?: Error) => {
    if (away || isClosed()) return;
    away = true;
    const why = tlsSentence(error, TLS_PLACES.redis);
    repeated.write(
      'warn',
      'away',
      { err: error },
      `queue: Redis is away; media stay in their rows until it is back${why ? `. ${why}` : ''}`,
    );
  };
  return {
    lost,
    close: repeated.close,
    watch: (redis: Redis) => {
      redis.on('close', () => lost());
      redis.on('ready', () => {
        if (away) repeated.write('info', 'back', {}, 'queue: Redis is back');
        away = false;
        if (looked) return;
        looked = true;
        warnOfSettings(redis, log).catch((error) =>
          log.warn({ err: error }, 'queue: could not read the settings of Redis'),
        );
      });
    },
  };
}

/** INFO and not CONFIG GET: hosted Redis often forbids the latter. */
async function warnOfSettings(redis: Redis, log: Log): Promise<void> {
  const info = await redis.info();
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy && policy !== 'noeviction') {
    log.warn({ policy }, 'queue: Redis may evict jobs; set maxmemory-policy noeviction');
  }
  if (/^aof_enabled:0/m.test(info)) {
    log.warn(
      'queue: Redis forgets its jobs in a crash; set appendonly yes (media are fed again from their rows)',
    );
  }
}
