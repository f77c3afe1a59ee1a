/** Reads an access token from the Redis of another program. Sends only GET, HGET, HMGET and PTTL. */
import type { Redis } from 'ioredis';
import type { TokenSource } from '../../account.ts';
import { FailureError, failure } from '../../failures.ts';
import type { Log } from '../../runtime/log.ts';
import { createRedisConnection } from '../../runtime/network/redis-connection.ts';
import { TLS_PLACES, tlsSentence } from '../../tls-failures.ts';
import { type ExternalToken, parseExternalToken, parseExternalTokenFields } from './parse-external-token.ts';

type RedisSource = Extract<TokenSource, { type: 'redis' }>;

const COMMAND_TIMEOUT_MS = 2_000;
const MAX_RECONNECT_DELAY_MS = 2_000;
const MAX_VALUE_LENGTH = 16 * 1024;
const FIELDS = [
  'access_token',
  'accessToken',
  'token',
  'expires_at',
  'expiresAt',
  'expire_time',
  'expireTime',
];

export function createRedisTokenSource(log: Pick<Log, 'warn'>) {
  const connections = new Map<string, Redis>();
  /**
   * The last connection error of each URL. The error of a command that was given up does not contain the reason why the
   * connection failed.
   */
  const lastErrors = new Map<string, Error>();

  function connect(url: string): Redis {
    const existing = connections.get(url);
    if (existing) return existing;
    const redis = createRedisConnection(
      url,
      {
        lazyConnect: true,
        commandTimeout: COMMAND_TIMEOUT_MS,
        maxRetriesPerRequest: 1,
        retryStrategy: (times) => Math.min(100 * 2 ** times, MAX_RECONNECT_DELAY_MS),
      },
      {
        onError: (error: NodeJS.ErrnoException) => {
          lastErrors.set(url, error);
          log.warn(
            { code: error.code ?? error.name },
            tlsSentence(error, TLS_PLACES.tokens) ?? 'tokens: Redis of the token source unavailable',
          );
        },
      },
    );
    connections.set(url, redis);
    return redis;
  }

  async function readValue(redis: Redis, source: RedisSource, now: Date): Promise<ExternalToken | undefined> {
    if (source.field !== undefined) {
      const text = await redis.hget(source.key, source.field);
      return text === null ? undefined : readText(text, now);
    }
    try {
      const text = await redis.get(source.key);
      return text === null ? undefined : readText(text, now);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('WRONGTYPE')) throw error;
      const values = await redis.hmget(source.key, ...FIELDS);
      return parseExternalTokenFields(
        Object.fromEntries(FIELDS.map((name, at) => [name, values[at]])),
        now,
        false,
      );
    }
  }

  return {
    /** Rejects with `token_unavailable`, whose detail names the key. */
    read: async (source: RedisSource, now: Date): Promise<ExternalToken> => {
      const redis = connect(source.url);
      const where = `Redis key ${source.key}${source.field === undefined ? '' : ` field ${source.field}`}`;
      try {
        const token = await readValue(redis, source, now);
        if (!token) throw failure('token_unavailable', `${where}: not found, or in an unknown format`);
        const timeLeftMs = token.expiresAt ? -1 : await redis.pttl(source.key);
        return timeLeftMs > 0 ? { ...token, expiresAt: new Date(now.getTime() + timeLeftMs) } : token;
      } catch (error) {
        if (error instanceof FailureError) throw error;
        // The message of ioredis may quote the command. The code, or the first word of Redis' error, is enough.
        const { code, message } = error as NodeJS.ErrnoException;
        const tls = redis.status !== 'ready' && tlsSentence(lastErrors.get(source.url), TLS_PLACES.tokens);
        throw failure(
          'token_unavailable',
          `${where}: ${tls || code || /^[A-Z]{2,20}\b/.exec(message)?.[0] || 'no response'}`,
        );
      }
    },
    close: async (): Promise<void> => {
      for (const redis of connections.values()) redis.disconnect();
      connections.clear();
    },
  };
}

const readText = (text: string, now: Date): ExternalToken | undefined =>
  text.length <= MAX_VALUE_LENGTH ? parseExternalToken(text, now, false) : undefined;
