/** The client of the archiver's HTTP API, over the `fetch` of Node. It needs no other package. */
import { isUnencryptedAddress } from '../../runtime/network/unencrypted-address.ts';
import type { AcceptedMedia, AddResult } from './accepted.ts';
import type { Link, Media, MediaFilter, Reference } from './api-types.ts';
import { callJson, withRetries } from './call.ts';
import { type MediaContent, openContent } from './content.ts';
import type { ArchiverEvent } from './event.ts';
import { type EventOptions, readEvents } from './events.ts';
import { listMedia, type MediaList, timeOf } from './list.ts';
import { type CallOptions, type ClientOptions, misused, readOptions, refuseUnknown } from './options.ts';

export interface Client {
  /**
   * Archives one media item. Idempotent: resolves with the row as it is, also if the item is known. Rejects with
   * `unavailable` or a status of 500 and above if it may not be durable: then do not return success to WeChat.
   */
  add(reference: Reference, options?: CallOptions): Promise<AcceptedMedia>;
  /**
   * Archives many, 500 in a request. Resolves with one result for each, in order; each is accepted or refused
   * separately, and a refused one has a `problem` in place of its `id`. If it rejects, those of earlier requests are
   * accepted; a repetition is safe.
   */
  add(references: readonly Reference[], options?: CallOptions): Promise<AddResult[]>;
  /** Resolves with the row of an item. Rejects with `media_not_found`. */
  get(id: string, options?: GetOptions): Promise<Media>;
  /** Lists items, newest first. Nothing is requested before the list is read. */
  list(filter?: MediaFilter, options?: CallOptions): MediaList;
  /**
   * Resolves with a link that opens without a key for `ttl`: `15m`, `1h`, at most `7d`. The audit log gets an entry, but
   * not the link. Rejects with `media_gone` if there will be no file, `not_archived` while it is pending.
   */
  link(id: string, options: LinkOptions): Promise<Link>;
  /** Resolves with the file, as soon as its transfer begins. Rejects with `pending` until it is archived, or `media_gone`. */
  content(id: string, options?: CallOptions): Promise<MediaContent>;
  /** Like `content`, but what a browser can show: a thumbnail in WebP, or a voice as WAV. */
  preview(id: string, options?: CallOptions): Promise<MediaContent>;
  /**
   * Yields what became of items, accounts and the store, in order and at least once, without an end. It goes on after
   * every break of server or network from where it was. Throws `cursor_expired` if events were dropped that it has not read.
   */
  events(options?: EventOptions): AsyncGenerator<ArchiverEvent, void>;
}

export interface GetOptions extends CallOptions {
  readonly include?: readonly ('attemptLog' | 'link')[] | undefined;
}

export interface LinkOptions extends CallOptions {
  readonly ttl: string;
}

const BATCH_LIMIT = 500;
const CALL_OPTIONS = ['signal', 'timeoutMs'];

/** Creates a client. It opens no connection until the first call, and needs no closing. */
export function createClient(options: ClientOptions): Client {
  const settings = readOptions(options);
  if (isUnencryptedAddress(settings.url)) {
    process.emitWarning(`wechat-media-archiver: the key is sent unencrypted to ${settings.url}; use https`, {
      code: 'WMA_UNENCRYPTED_KEY',
    });
  }

  function add(reference: Reference, options?: CallOptions): Promise<AcceptedMedia>;
  function add(references: readonly Reference[], options?: CallOptions): Promise<AddResult[]>;
  async function add(input: Reference | readonly Reference[], options: CallOptions = {}) {
    refuseUnknown(options, CALL_OPTIONS, 'add');
    if (!isList(input)) {
      const request = { method: 'POST', path: '/v1/media', body: bodyOf(input) } as const;
      return await callJson<AcceptedMedia>(settings, request, options);
    }
    const bodies = input.map(bodyOf);
    const results: AddResult[] = [];
    for (let start = 0; start < bodies.length; start += BATCH_LIMIT) {
      const body = { items: bodies.slice(start, start + BATCH_LIMIT) };
      const request = { method: 'POST', path: '/v1/media/batch', body } as const;
      const batch = await callJson<{ results: AddResult[] }>(settings, request, options);
      results.push(...batch.results.map((result) => ({ ...result, index: result.index + start })));
    }
    return results;
  }

  async function open(id: string, part: string, options: CallOptions = {}): Promise<MediaContent> {
    refuseUnknown(options, CALL_OPTIONS, part);
    const query = part === 'content' ? { proxy: 'true' } : {};
    const request = { method: 'GET', path: `${pathOf(id)}/${part}`, query } as const;
    return await withRetries(settings, options, {}, (limits) => openContent(settings, request, limits));
  }

  return {
    add,
    get: async (id, { include = [], ...options } = {}) => {
      refuseUnknown(options, CALL_OPTIONS, 'get');
      const query = include.length > 0 ? { include: include.join(',') } : {};
      return await callJson<Media>(settings, { method: 'GET', path: pathOf(id), query }, options);
    },
    list: (filter = {}, options = {}) => {
      refuseUnknown(options, CALL_OPTIONS, 'list');
      return listMedia(settings, filter, options);
    },
    link: async (id, { ttl, ...options } = {} as LinkOptions) => {
      refuseUnknown(options, CALL_OPTIONS, 'link');
      if (typeof ttl !== 'string') throw misused("ttl must be a duration: '15m', '1h', at most '7d'");
      const request = { method: 'POST', path: `${pathOf(id)}/links`, body: { ttl } } as const;
      // Every link is an entry of the audit log.
      return await callJson<Link>(settings, request, options, { isIdempotent: false });
    },
    content: (id, options) => open(id, 'content', options),
    preview: (id, options) => open(id, 'preview', options),
    events: (options = {}) => readEvents(settings, options),
  };
}

const isList = (input: Reference | readonly Reference[]): input is readonly Reference[] =>
  Array.isArray(input);

/** Returns the JSON of a reference. The server checks everything else, and says what is wrong. */
function bodyOf(reference: Reference): unknown {
  if (typeof reference !== 'object' || reference === null)
    throw misused('add needs a reference { account, mediaId, kind, … } or an array of them');
  const { sentAt } = reference;
  return sentAt instanceof Date ? { ...reference, sentAt: timeOf('sentAt', sentAt) } : reference;
}

function pathOf(id: string): string {
  if (typeof id !== 'string' || id === '') throw misused('id is missing: m_ and 32 hex digits');
  return `/v1/media/${encodeURIComponent(id)}`;
}
