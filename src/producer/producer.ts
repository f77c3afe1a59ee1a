/**
 * The package `wechat-media-archiver`: for a program that receives WeChat's callbacks itself and wants its media items
 * archived. No server in between; the same schema and the same ids as every other producer.
 */
import { idOf, type Kind, type Reference, type Status } from '../media.ts';
import { systemClock } from '../runtime/clock.ts';
import { withTimeout } from '../runtime/timeout.ts';
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
  /** The status of the row; absent where only a job was added. */
  readonly status?: Status;
}

export interface Producer {
  /**
   * Hands over the media items of messages or references, all of them or none. Idempotent. Resolves with one entry per
   * item in the order of the input: none for a message without media, two for a video with its thumb. At most 500
   * inputs. Rejects with {@link ProducerError} within `timeoutMs`.
   */
  archive(
    input: ProducerInput | readonly ProducerInput[],
    options?: { account?: string },
  ): Promise<Archived[]>;
  /** Closes the connections, which would otherwise keep the process alive. */
  close(): Promise<void>;
}

/** Where references go: rows in Postgres, or jobs in Redis. */
interface ReferenceWriter {
  /** Resolves with the status of each row in the order of the references; undefined where there is no row yet. */
  write(references: readonly Reference[]): Promise<(Status | undefined)[]>;
  /** Loads modules, whose time does not count as the call's. */
  preload?(): Promise<unknown>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 2_000;

/** Connects at the first `archive` and reconnects when needed. Throws {@link ProducerError} for invalid options. */
export function createProducer(options: ProducerOptions): Producer {
  const { timeoutMs = TIMEOUT_MS } = options;
  const writer = openWriter(options);
  let isClosed = false;

  async function archive(
    input: ProducerInput | readonly ProducerInput[],
    { account = options.account }: { account?: string } = {},
  ): Promise<Archived[]> {
    if (isClosed) throw new ProducerError('misused', 'the producer is closed');
    const now = systemClock.now();
    const references = readInputs(Array.isArray(input) ? input : [input], account).map((reference) => ({
      ...reference,
      sentAt: reference.sentAt ?? now,
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
    throw new ProducerError('misused', 'account is missing: give the appId (WeCom: corpId-agentId)');
  }
  const { databaseUrl, redisUrl } = options;
  if (databaseUrl && redisUrl) {
    throw new ProducerError('misused', 'give databaseUrl or redisUrl, not both: a row needs no job');
  }
  if (databaseUrl) return openRowWriter(options as RowProducerOptions);
  if (redisUrl) return openJobWriter(options as JobProducerOptions);
  throw new ProducerError('misused', 'give databaseUrl (writes rows) or redisUrl (adds jobs)');
}
