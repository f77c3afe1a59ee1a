/**
 * What `import 'wechat-media-archiver'` gives: for a program that receives WeChat's callbacks itself and wants its
 * media archived. No server in between; the same schema and the same ids as every other way in.
 */

import { idOf, type Kind, type ReferenceInput, type Status } from '../media.ts';
import { within } from '../queue/timeouts.ts';
import { systemClock } from '../runtime/clock.ts';
import { openJobWriter } from './jobs.ts';
import { ProducerError } from './producer-error.ts';
import { readGiven } from './reading.ts';
import { openRowWriter } from './rows.ts';
import type { ReferenceWriter } from './way.ts';

export { ProducerError };

/** A message as parsed from WeChat's XML or JSON, under WeChat's own field names; other fields are passed over. */
export interface WechatMessage {
  readonly MsgType: unknown;
  readonly MediaId?: unknown;
  readonly PicUrl?: unknown;
  readonly ThumbMediaId?: unknown;
  readonly MediaId16K?: unknown;
  /** Seconds. */
  readonly CreateTime?: unknown;
  /** 64 bits: a string, or a bigint. A number beyond 2^53 has lost its last digits and is left out. */
  readonly MsgId?: unknown;
  readonly FromUserName?: unknown;
  readonly [otherField: string]: unknown;
}

/** One media, in the words of the HTTP API. `account` and `sentAt` may be left to the producer and to the clock. */
export interface MediaReference extends Omit<ReferenceInput, 'account' | 'sentAt'> {
  readonly account?: string;
  readonly sentAt?: string | Date;
}

export type ProducerInput = WechatMessage | MediaReference;

interface SharedOptions {
  /**
   * The appId (WeCom: corpId-agentId) of messages, and of references that name none. Never a label of the
   * archiver's configuration: ids are made of it.
   */
  readonly account: string;
  /**
   * How long a call may take; default 2000. WeChat wants its answer within 5 s. Over Redis the first call also waits
   * for BullMQ to be loaded, which begins with `createProducer` and is not counted.
   */
  readonly timeoutMs?: number;
}

/** Writes rows, as the archiver itself does: durable when `archive` resolves. Needs nothing but Postgres. */
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

/** Adds jobs; a worker gives each its row. As durable as that Redis; accounts are checked by the worker only. */
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

export interface ArchivedReference {
  /** Where the file will be: `GET /v1/media/{id}`. */
  readonly id: string;
  readonly account: string;
  readonly mediaId: string;
  readonly kind: Kind;
  /** What the row says; absent where only a job was added. */
  readonly status?: Status;
}

export interface Producer {
  /**
   * Hands over the media of messages or references, all of them or none; again is the same. Answers one entry per
   * media in the order given: none for a message without media, two for a video with its thumb. At most 500 at once.
   * Rejects with {@link ProducerError} within `timeoutMs`.
   */
  archive(
    given: ProducerInput | readonly ProducerInput[],
    options?: { account?: string },
  ): Promise<ArchivedReference[]>;
  /** Lets the connections go; the process would else stay alive for them. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 2_000;

/** Connects at the first `archive`, and again by itself. Throws {@link ProducerError} for options that cannot be. */
export function createProducer(options: ProducerOptions): Producer {
  const { timeoutMs = TIMEOUT_MS } = options;
  const way = openWay(options);
  let closed = false;

  async function archive(
    given: ProducerInput | readonly ProducerInput[],
    { account = options.account }: { account?: string } = {},
  ): Promise<ArchivedReference[]> {
    if (closed) throw new ProducerError('misused', 'the producer is closed');
    const now = systemClock.now();
    const references = readGiven(Array.isArray(given) ? given : [given], account).map((reference) => ({
      ...reference,
      sentAt: reference.sentAt ?? now,
    }));
    if (references.length === 0) return [];
    await way.preload?.();
    const statuses = await within('archive', timeoutMs, () => way.write(references)).catch(
      (error: unknown) => {
        throw error instanceof ProducerError
          ? error
          : new ProducerError('unavailable', wordsOf(error), error);
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
      if (closed) return;
      closed = true;
      await way.close();
    },
  };
}

function openWay(options: ProducerOptions): ReferenceWriter {
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

const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
