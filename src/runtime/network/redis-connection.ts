/** Every connection to Redis: adds to ioredis what a failover needs. */
import { Redis, type RedisOptions } from 'ioredis';

/**
 * Error codes of a server that refuses all writes, or everything, while another server may work: a demoted master whose
 * connections stay open, one that loads its data, a replica without its master, a cluster that has lost slots.
 * A blocking command gets UNBLOCKED at the moment of the demotion. Errors of scripts have the code inside other text.
 */
const REFUSES = /(^|[\s-])(READONLY|LOADING|MASTERDOWN|UNBLOCKED|CLUSTERDOWN)\b/;

/** How often a server that keeps refusing is connected to anew; meanwhile the callers get its errors. */
const RECONNECT_EVERY_MS = 1_000;

/** Whether the error means that a new connection may lead to a server that works. */
export const needsOtherServer = (error: Error): boolean => REFUSES.test(error.message);

/** Twice CONNECT_ATTEMPT_MS and a little: an IPv6 address that swallows packets may stand before the IPv4 one. */
const CONNECT_MS = 6_000;

/** Members of an ioredis instance that its types do not declare. */
interface Hidden {
  setStatus(status: string): void;
  flushQueue(error: Error): void;
}

export interface RedisHooks {
  /**
   * Called with every error of the connection and of its duplicates (BullMQ makes one for blocking commands): without
   * a listener ioredis writes to stderr, past our log.
   */
  readonly onError: (error: Error) => void;
  /** Called with each duplicate. */
  readonly onDuplicate?: (copy: Redis) => void;
}

class RedisConnection extends Redis {
  private readonly hooks: RedisHooks;

  constructor(url: string | undefined, options: RedisOptions, hooks: RedisHooks) {
    const all = {
      connectTimeout: CONNECT_MS,
      ...options,
      replyMapping: 'legacy' as const,
      reconnectOnError: createReconnectPolicy(options),
    };
    // The URL overrides the options.
    if (url) super(url, all);
    else super(all);
    this.hooks = hooks;
    this.on('error', hooks.onError);
  }

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const copy = new RedisConnection(undefined, { ...this.options, ...override }, this.hooks);
    this.hooks.onDuplicate?.(copy);
    return copy;
  }

  /**
   * Between two attempts to connect there is no socket whose close could end the connection: ioredis stays
   * `reconnecting`, its commands never resolve, and a BullMQ worker that waits for the end never closes.
   */
  override disconnect(reconnect = false): void {
    super.disconnect(reconnect);
    if (reconnect || this.status !== 'reconnecting') return;
    const hidden = this as unknown as Hidden;
    hidden.setStatus('end');
    hidden.flushQueue(new Error('Connection is closed.'));
  }
}

/** Returns 2 to reconnect and send the command again, 1 to reconnect and reject the command at once. */
function createReconnectPolicy({ enableOfflineQueue = true }: RedisOptions) {
  let reconnectedAtMs = Number.NEGATIVE_INFINITY;
  return (error: Error): false | 1 | 2 => {
    if (!needsOtherServer(error)) return false;
    if (performance.now() - reconnectedAtMs < RECONNECT_EVERY_MS) return false;
    reconnectedAtMs = performance.now();
    return enableOfflineQueue ? 2 : 1;
  };
}

/** Connects at once, unless `lazyConnect` is set; reconnects as `retryStrategy` says. */
export function createRedisConnection(url: string, options: RedisOptions, hooks: RedisHooks): Redis {
  return new RedisConnection(url, options, hooks);
}
