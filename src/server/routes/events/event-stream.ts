/** The feed as Server-Sent Events: one stream for one client, until it leaves, its key ends or the server shuts down. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { encodeFeedCursor, type FeedCursor } from '../../../catalogue/events/cursor.ts';
import { cursorOfEvent } from '../../../catalogue/events/read.ts';
import type { EventReader, ReadPage } from './reader.ts';

export interface EventStreamOptions {
  readonly reader: EventReader;
  readonly start: FeedCursor;
  /** False: the key may read the feed no longer. */
  readonly mayGoOn: () => Promise<boolean>;
  readonly onError: (error: unknown) => void;
  readonly signal: AbortSignal;
}

const PAGE = 200;
/** A silent stream gets its cursor at this interval. Proxies end silent streams, and clients notice a dead connection. */
const KEEP_ALIVE_MS = 15_000;
/** A client that does not read for so long is gone, or too slow. It comes back with its cursor. */
const DRAIN_MS = 30_000;
/** The client connects again after so long. */
const RETRY_MS = 2_000;

const cursorLine = (cursor: FeedCursor) => `id: ${encodeFeedCursor(cursor)}\n`;

/** Starts to write and returns the stream. It ends when an error occurs, which goes to `onError`; the client comes back. */
export function openEventStream({
  reader,
  start,
  mayGoOn,
  onError,
  signal,
}: EventStreamOptions): PassThrough {
  const stream = new PassThrough();
  const closed = new AbortController();
  stream.on('close', () => closed.abort());
  stream.on('error', () => closed.abort());
  const ended = AbortSignal.any([signal, closed.signal]);

  /** False: the client is gone, or did not read for too long. */
  async function write(text: string): Promise<boolean> {
    if (ended.aborted) return false;
    if (stream.write(text)) return true;
    const drained = once(stream, 'drain', {
      signal: AbortSignal.any([ended, AbortSignal.timeout(DRAIN_MS)]),
    });
    return await drained.then(
      () => true,
      () => false,
    );
  }

  async function writePage({ items, end }: ReadPage): Promise<boolean> {
    if (items.length === 0) return true;
    const messages = items.map(
      ({ event, json }) =>
        `${cursorLine(cursorOfEvent(event))}event: ${event.type}\ndata: ${JSON.stringify(json)}\n\n`,
    );
    // Events that did not match count as read, so that a client that comes back need not pass them again.
    if (items.at(-1)!.event.position !== end.position) messages.push(`${cursorLine(end)}\n`);
    return await write(messages.join(''));
  }

  async function next(cursor: FeedCursor, isAtEnd: boolean, waitMs: number): Promise<ReadPage> {
    const page = isAtEnd ? await reader.wait(cursor, waitMs, ended) : await reader.read(cursor, PAGE, ended);
    // Without a batch the time is over, or the catalogue may have more.
    return page ?? { items: [], end: cursor, hasMore: true };
  }

  async function run(): Promise<void> {
    let cursor = start;
    let isAtEnd = false;
    let checkedAtMs = performance.now();
    let isOpen = await write(`retry: ${RETRY_MS}\n${cursorLine(cursor)}\n`);
    while (isOpen && !ended.aborted) {
      const page = await next(cursor, isAtEnd, Math.max(0, checkedAtMs + KEEP_ALIVE_MS - performance.now()));
      if (page.isLost) break;
      isAtEnd = !page.hasMore;
      cursor = page.end;
      isOpen = await writePage(page);
      if (performance.now() - checkedAtMs < KEEP_ALIVE_MS) continue;
      checkedAtMs = performance.now();
      isOpen &&= (await mayGoOn()) && (await write(`:\n${cursorLine(cursor)}\n`));
    }
  }

  void run()
    .catch((error: unknown) => {
      if (!ended.aborted) onError(error);
    })
    .finally(() => stream.end());
  return stream;
}
