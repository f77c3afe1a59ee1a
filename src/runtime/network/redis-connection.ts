/** Creates every connection to Redis. Extends ioredis with the behaviour that a failover needs. */
import { Redis, type RedisOptions } from 'ioredis';

/**
 * Error codes of a server that refuses all writes, or all commands, while another server may work: a demoted master
 * whose connections stay open, a server that loads its data, a replica without its master, a cluster that has lost
 * slots. A blocking command gets UNBLOCKED at the moment of the demotion. In errors of scripts the code is inside other
 * text.
 */
const REFUSES = /(^|[\s-])(READONLY|LOADING|MASTERDOWN|UNBLOCKED|CLUSTERDOWN)\b/;

/**
 * The shortest time between two reconnections to a server that continues to refuse. Meanwhile the callers get its
 * errors.
 */
const RECONNECT_EVERY_MS = 1_000;

/** Whether the error means that a new connection may lead to a server that works. */
export const needsOtherServer = (error: Error): boolean => REFUSES.test(error.message);

/**
 * A little more than twice CONNECT_ATTEMPT_MS: an IPv6 address that drops packets may be tried before the IPv4 address.
 */
const CONNECT_MS = 6_000;

/** Members of an ioredis instance that its types do not declare. */
interface Hidden {
  setStatus(status: string): void;
  flushQueue(error: Error): void;
}

export interface RedisHooks {
  /**
   * Called with every error of the connection and of its duplicates (BullMQ creates one for blocking commands). Without
   * a listener ioredis writes to stderr instead of our log.
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
   * Also ends the connection between two attempts to connect, when it has no socket that could be closed. Otherwise
   * ioredis would stay `reconnecting`, its commands would never resolve, and a BullMQ worker that waits for the end
   * would never close.
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

/**
 * Creates a connection. It connects at once, unless `lazyConnect` is set, and reconnects according to `retryStrategy`.
 */
export function createRedisConnection(url: string, options: RedisOptions, hooks: RedisHooks): Redis {
  return new RedisConnection(url, options, hooks);
}
