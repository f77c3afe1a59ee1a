/** Options of `createProducer`. */

interface SharedOptions {
  /**
   * The appId (WeCom: corpId-agentId) for messages, and for references without an account. It must not be a name from
   * the archiver's configuration, because ids are computed from it.
   */
  readonly account: string;
  /**
   * The timeout of a call; default 2000. WeChat waits 5 s for its response. With Redis the first call also waits until
   * BullMQ is loaded. Loading begins with `createProducer` and does not count towards the timeout.
   */
  readonly timeoutMs?: number;
}

/**
 * Writes rows, like the archiver itself. The references are durable when `archive` resolves. Requires only Postgres.
 */
export interface RowProducerOptions extends SharedOptions {
  /** The DATABASE_URL of the archiver. */
  readonly databaseUrl: string;
  /** The DATABASE_SCHEMA of the archiver; default `wma`. */
  readonly schema?: string;
  /** The MEDIA_LIFETIME of the archiver; default 72 hours. */
  readonly mediaLifetimeMs?: number;
  readonly redisUrl?: never;
  readonly prefix?: never;
}

/**
 * Adds jobs, whose rows a worker inserts. The jobs are as durable as the Redis. Only the worker checks the accounts.
 */
export interface JobProducerOptions extends SharedOptions {
  /** The REDIS_URL of the archiver. */
  readonly redisUrl: string;
  /** The QUEUE_PREFIX of the archiver; default `{wma}`. */
  readonly prefix?: string;
  readonly databaseUrl?: never;
  readonly schema?: never;
  readonly mediaLifetimeMs?: never;
}

export type ProducerOptions = RowProducerOptions | JobProducerOptions;
