/**
 * The package `wechat-media-archiver`, for programs that receive WeChat's callbacks themselves and want their media
 * items archived. It needs no server, and uses the same schema and the same ids as every other producer.
 */
import { idOf, type Kind, type Reference, type Status } from '../media.ts';
import { systemClock } from '../runtime/clock.ts';
import { withTimeout } from '../runtime/timeout.ts';
import { TRACEPARENT, TRACEPARENT_RULE } from '../traceparent.ts';
import { openJobWriter } from './job-writer.ts';
import type { JobProducerOptions, ProducerOptions, RowProducerOptions } from './options.ts';
import { ProducerError } from './producer-error.ts';
import { type MediaReference, type ProducerInput, readInputs, type WechatMessage } from './reading.ts';
import { openRowWriter } from './row-writer.ts';

export type {
  JobProducerOptions,
  MediaReference,
  ProducerInput,
  ProducerOptions,
  RowProducerOptions,
  WechatMessage,
};
export { ProducerError };

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

/** Writes references: as rows in Postgres, or as jobs in Redis. */
interface ReferenceWriter {
  /** Resolves with the status of each row in the order of the references; undefined if a row does not exist yet. */
  write(references: readonly Reference[]): Promise<(Status | undefined)[]>;
  /** Loads modules. The time for it does not count towards the timeout of a call. */
  preload?(): Promise<unknown>;
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
    await writer.preload?.();
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

function openWriter(options: ProducerOptions): ReferenceWriter {
  if (typeof options?.account !== 'string' || options.account === '') {
    throw new ProducerError('misused', 'account is missing: set the appId (WeCom: corpId-agentId)');
  }
  const { databaseUrl, redisUrl } = options;
  if (databaseUrl && redisUrl) {
    throw new ProducerError('misused', 'set either databaseUrl or redisUrl, not both: a row needs no job');
  }
  if (databaseUrl) return openRowWriter(options as RowProducerOptions);
  if (redisUrl) return openJobWriter(options as JobProducerOptions);
  throw new ProducerError('misused', 'set databaseUrl (writes rows) or redisUrl (adds jobs)');
}
