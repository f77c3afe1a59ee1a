/** What the package `wechat-media-archiver` exports. */
export type { AcceptedMedia, AddResult } from './client/accepted.ts';
export type {
  EventType,
  Failure,
  Kind,
  Link,
  Media,
  MediaFilter,
  MediaPage,
  Problem,
  Reference,
  SpooledMedia,
  Status,
} from './client/api-types.ts';
export { type Client, createClient, type GetOptions, type LinkOptions } from './client/client.ts';
export { ClientError, type FieldError } from './client/client-error.ts';
export type { MediaContent } from './client/content.ts';
export type { AccountEvent, ArchiverEvent, MediaEvent, StoreEvent } from './client/event.ts';
export type { EventOptions } from './client/events.ts';
export type { MediaList } from './client/list.ts';
export type { CallOptions, ClientOptions } from './client/options.ts';
export type { MediaReference, ProducerInput, WechatMessage } from './input.ts';
export type { JobProducerOptions, ProducerOptions, RowProducerOptions } from './options.ts';
export { type Archived, createProducer, type Producer } from './producer.ts';
export { ProducerError, type ProducerErrorCode } from './producer-error.ts';
