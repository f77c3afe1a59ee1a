/** Single requests for the event feed: a stream, or a page by long poll. */
import type { ArchiverEvent } from './event.ts';
import { parseEventStream } from './event-stream.ts';
import type { Settings } from './options.ts';
import { isSuccess, openResponse, type Query, refusal, requestJson, unexpected } from './response.ts';

const PATH = '/v1/events';
const POLL_MS = 25_000;
const POLL_LIMIT = 100;

/** What a stream has shown so far. */
export interface StreamState {
  /** The server has responded with 200. */
  isOpen: boolean;
  /** At least one byte of the body has arrived. */
  isAlive: boolean;
}

/** An event, or only the cursor behind which the feed goes on. */
export interface FeedStep {
  readonly event?: ArchiverEvent;
  readonly cursor: string;
}

interface Page {
  readonly items: readonly Omit<ArchiverEvent, 'cursor'>[];
  readonly nextCursor: string;
}

export interface StreamOptions {
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly state: StreamState;
}

export interface Feed {
  /** Resolves with the cursor behind all events that there are. */
  currentCursor(signal: AbortSignal | undefined): Promise<string>;
  /** Yields what the server sends until it ends the stream. Throws `timeout` if it is silent for too long. */
  stream(after: string | undefined, options: StreamOptions): AsyncGenerator<FeedStep, void>;
  /** Yields one page; waits for it if there is no event yet. */
  page(after: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<FeedStep, void>;
}

/** `filter`: the types and accounts. */
export function createFeed(settings: Settings, filter: Query): Feed {
  const { url, timeoutMs } = settings;

  async function readPage(query: Query, waitMs: number, signal: AbortSignal | undefined): Promise<Page> {
    const request = { method: 'GET', path: PATH, query: { ...filter, ...query } } as const;
    const page = await requestJson<Page>(settings, request, { timeoutMs: waitMs + timeoutMs, signal });
    if (!Array.isArray(page?.items) || typeof page.nextCursor !== 'string')
      throw unexpected(url, 'its response is no page of events');
    return page;
  }

  return {
    currentCursor: async (signal) => (await readPage({ after: 'now', limit: 1 }, 0, signal)).nextCursor,

    stream: async function* (after, { idleTimeoutMs, signal, state }) {
      const request = {
        method: 'GET',
        path: PATH,
        query: { ...filter, after },
        // Compressed streams are held back until a block is full.
        headers: { accept: 'text/event-stream', 'accept-encoding': 'identity' },
      } as const;
      const response = await openResponse(settings, request, { timeoutMs, signal });
      if (!isSuccess(response)) throw await refusal(settings, response, timeoutMs);
      const type = response.headers.get('content-type') ?? '';
      if (!type.startsWith('text/event-stream')) {
        response.close();
        throw unexpected(url, 'its response is no stream of events');
      }
      state.isOpen = true;
      const chunks = response.chunks(() => idleTimeoutMs);
      for await (const { cursor, data } of parseEventStream(noticing(chunks, state), url)) {
        if (cursor === undefined) throw unexpected(url, 'an event has no id');
        if (data === undefined) yield { cursor };
        else yield { cursor, event: { ...parseEvent(data, url), cursor } as ArchiverEvent };
      }
    },

    page: async function* (after, signal) {
      // Only the last event of a page has a cursor of its own. The others get the one before the page, from which a
      // program that stops in between gets them again; without one the page has a single event.
      const limit = after === undefined ? 1 : POLL_LIMIT;
      const query = { after, limit, wait: `${POLL_MS / 1000}s` };
      const { items, nextCursor } = await readPage(query, POLL_MS, signal);
      for (const [index, item] of items.entries()) {
        const cursor = index === items.length - 1 ? nextCursor : (after ?? nextCursor);
        yield { cursor, event: { ...item, cursor } as ArchiverEvent };
      }
      yield { cursor: nextCursor };
    },
  };
}

async function* noticing(
  chunks: AsyncIterable<Uint8Array>,
  state: StreamState,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of chunks) {
    state.isAlive = true;
    yield chunk;
  }
}

function parseEvent(data: string, url: string): Omit<ArchiverEvent, 'cursor'> {
  try {
    const event = JSON.parse(data) as Omit<ArchiverEvent, 'cursor'> | null;
    if (typeof event?.id === 'string' && typeof event.type === 'string') return event;
  } catch {
    // As below.
  }
  throw unexpected(url, 'an event of its stream is not JSON with id and type');
}
