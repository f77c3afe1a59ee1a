/**
 * The producer, for programs that receive WeChat's callbacks themselves and want their media items archived. It needs
 * no server, and uses the same schema and the same ids as every other producer.
 */
import { SCHEMA_PATTERN, SCHEMA_RULE } from '../config/database-address.ts';
import { idOf } from '../media.ts';
import { systemClock } from '../runtime/clock.ts';
import { withTimeout } from '../runtime/timeout.ts';
import { TRACEPARENT, TRACEPARENT_RULE } from '../traceparent.ts';
import type { Kind, Status } from './client/api-types.ts';
import type { ProducerInput } from './input.ts';
import type { JobProducerOptions, ProducerOptions, RowProducerOptions } from './options.ts';
import { checkUrl, ProducerError } from './producer-error.ts';
import { readInputs } from './reading.ts';
import { type LazyWriter, openLazily } from './writer.ts';

export interface Archived {
  /** The id of the media item: `GET /v1/media/{id}`. */
  readonly id: string;
  readonly account: string;
  readonly mediaId: string;
  readonly kind: Kind;
  /** The status of the row; absent if only a job was added. */
  readonly status?: Status;
}

export interface Producer {
  /**
   * Writes the media items of messages or references: all of them or none. Idempotent. Resolves with one entry per item
   * in the order of the input: no entry for a message without media, two for a video with its thumb. Accepts at most
   * 500 inputs. Rejects with a {@link ProducerError} within `timeoutMs`.
   */
  archive(
    input: ProducerInput | readonly ProducerInput[],
    options?: {
      account?: string;
      /** The trace of the items without one of their own, as in the header of W3C Trace Context. */
      traceparent?: string | undefined;
    },
  ): Promise<Archived[]>;
  /** Closes the connections. While they are open, the process does not exit. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 2_000;

/**
 * Creates a producer, which connects at the first `archive` and reconnects when needed. Throws a {@link ProducerError}
 * for invalid options.
 */
export function createProducer(options: ProducerOptions): Producer {
  const { timeoutMs = TIMEOUT_MS } = options;
  const writer = openWriter(options);
  let isClosed = false;

  async function archive(
    input: ProducerInput | readonly ProducerInput[],
    { account = options.account, traceparent }: { account?: string; traceparent?: string | undefined } = {},
  ): Promise<Archived[]> {
    if (isClosed) throw new ProducerError('misused', 'the producer is closed');
    const now = systemClock.now();
    if (traceparent !== undefined && !TRACEPARENT.test(traceparent))
      throw new ProducerError('invalid', `traceparent ${TRACEPARENT_RULE}`);
    const references = readInputs(Array.isArray(input) ? input : [input], account).map((reference) => ({
      ...reference,
      sentAt: reference.sentAt ?? now,
      ...(traceparent === undefined || reference.traceparent ? {} : { traceparent }),
    }));
    if (references.length === 0) return [];
    await writer.preload();
    const statuses = await withTimeout(() => writer.write(references), timeoutMs, 'archive').catch(
      (error: unknown) => {
        if (error instanceof ProducerError) throw error;
        throw new ProducerError('unavailable', error instanceof Error ? error.message : String(error), error);
      },
    );
    return references.map(({ account, mediaId, kind }, index) => {
      const status = statuses[index];
      return { id: idOf(account, mediaId), account, mediaId, kind, ...(status ? { status } : {}) };
    });
  }

  return {
    archive,
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      await writer.close();
    },
  };
}

function openWriter(options: ProducerOptions): LazyWriter {
  if (typeof options?.account !== 'string' || options.account === '') {
    throw new ProducerError('misused', 'account is missing: set the appId (WeCom: corpId-agentId)');
  }
  const { databaseUrl, redisUrl } = options;
  if (databaseUrl && redisUrl) {
    throw new ProducerError('misused', 'set either databaseUrl or redisUrl, not both: a row needs no job');
  }
  if (databaseUrl) {
    const rows = options as RowProducerOptions;
    checkRowOptions(rows);
    return openLazily(['pg'], async () => {
      const { openRowWriter } = await import('./row-writer.ts');
      return () => openRowWriter(rows);
    });
  }
  if (redisUrl) {
    const jobs = options as JobProducerOptions;
    checkJobOptions(jobs);
    return openLazily(['bullmq', 'ioredis'], async () => {
      const { openJobWriter } = await import('./job-writer.ts');
      return () => openJobWriter(jobs);
    });
  }
  throw new ProducerError('misused', 'set databaseUrl (writes rows) or redisUrl (adds jobs)');
}

function checkRowOptions({ databaseUrl, schema = 'wma' }: RowProducerOptions): void {
  if (!SCHEMA_PATTERN.test(schema)) throw new ProducerError('misused', `schema ${SCHEMA_RULE}`);
  checkUrl('databaseUrl', databaseUrl, ['postgres', 'postgresql']);
}

function checkJobOptions({ redisUrl, prefix = '{wma}' }: JobProducerOptions): void {
  checkUrl('redisUrl', redisUrl, ['redis', 'rediss']);
  if (!/^[\x21-\x7e]{1,64}$/.test(prefix)) {
    throw new ProducerError('misused', 'prefix must be 1 to 64 printable ASCII characters without spaces');
  }
}
