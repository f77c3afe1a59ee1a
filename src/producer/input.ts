/** What a producer takes. */
import type { Reference } from './client/api-types.ts';

/** A message as parsed from WeChat's XML or JSON, with WeChat's own field names. Other fields are ignored. */
export interface WechatMessage {
  readonly MsgType: unknown;
  readonly MediaId?: unknown;
  readonly PicUrl?: unknown;
  readonly ThumbMediaId?: unknown;
  readonly MediaId16K?: unknown;
  /** Seconds. */
  readonly CreateTime?: unknown;
  /** 64 bits: a string or a bigint. A number above 2^53 has lost its last digits and is ignored. */
  readonly MsgId?: unknown;
  readonly FromUserName?: unknown;
  readonly [otherField: string]: unknown;
}

/**
 * A reference to a media item, with the fields of the HTTP API. The defaults are the producer's `account`, and the
 * current time for `sentAt`.
 */
export interface MediaReference extends Omit<Reference, 'account'> {
  readonly account?: string;
}

export type ProducerInput = WechatMessage | MediaReference;
