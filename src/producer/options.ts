/** Options of `createProducer`. */

interface SharedOptions {
  /**
   * The appId (WeCom: corpId-agentId) of messages, and of references that name none. Never a name from the archiver's
   * configuration, because ids are computed from it.
   */
  readonly account: string;
  /**
   * The time limit of a call; default 2000. WeChat waits 5 s for its response. With Redis the first call also waits
   * until BullMQ is loaded, which begins with `createProducer` and is not counted.
   */
  readonly timeoutMs?: number;
}

/** Writes rows, as the archiver itself does: durable when `archive` resolves. Requires only Postgres. */
export interface RowProducerOptions extends SharedOptions {
  /** The DATABASE_URL of the archiver. */
  readonly databaseUrl: string;
  /** Its DATABASE_SCHEMA; default `wma`. */
  readonly schema?: string;
  /** Its MEDIA_LIFETIME; default 72 hours. */
  readonly mediaLifetimeMs?: number;
  readonly redisUrl?: never;
  readonly prefix?: never;
}

/** Adds jobs, whose rows a worker inserts. As durable as that Redis; only the worker checks the accounts. */
export interface JobProducerOptions extends SharedOptions {
  /** The REDIS_URL of the archiver. */
  readonly redisUrl: string;
  /** Its QUEUE_PREFIX; default `{wma}`. */
  readonly prefix?: string;
  readonly databaseUrl?: never;
  readonly schema?: never;
  readonly mediaLifetimeMs?: never;
}

export type ProducerOptions = RowProducerOptions | JobProducerOptions;
