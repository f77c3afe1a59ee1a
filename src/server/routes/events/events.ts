/** /v1/events: the feed of what became of items, accounts and the store, as pages, as a long poll and as a stream. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { DatabaseUnavailableError } from '../../../catalogue/database/database.ts';
import { decodeFeedCursor, encodeFeedCursor, type FeedCursor } from '../../../catalogue/events/cursor.ts';
import { createLimiter } from '../../../runtime/concurrency/limiter.ts';
import { LISTENER_LIMITS } from '../../../runtime/network/server-limits.ts';
import { resolveAccount } from '../../auth/access.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { eventSchema } from './event-schema.ts';
import { openEventStream } from './event-stream.ts';
import { type EventsQuery, eventsQuery, FROM_NOW } from './events-query.ts';
import { createEventReader, type EventReader, withinReads } from './reader.ts';
import { exampleEvent } from './webhook-docs.ts';

/** The parts of the server's connections (2,000) that all readers together, and those of one key, may take. */
const SHARE_OF_READERS = 3 / 4;
const SHARE_OF_KEY = 1 / 2;

const eventPageSchema: z.ZodType = z
  .object({
    items: z.array(eventSchema).describe('oldest first; empty where no event matches so far'),
    nextCursor: z.string().describe('for after; also on the last page, where it leads to what comes next'),
  })
  .meta({ id: 'EventPage' });

const pageExample = {
  items: [exampleEvent('media.archived')],
  nextCursor: encodeFeedCursor({ position: 4711, atMs: Date.parse('2026-11-20T08:00:05.200Z') }),
};

export type EventRoutesDeps = Pick<
  RouteDeps,
  'access' | 'accounts' | 'catalogue' | 'eventJson' | 'feed' | 'limits' | 'repeatedLog' | 'shutdown'
>;

export function eventRoutes(deps: EventRoutesDeps) {
  const { catalogue, shutdown, limits = LISTENER_LIMITS } = deps;
  const readerDeps = { ...deps, reads: createLimiter() };
  const readersOfKey = new Map<string, number>();
  let readers = 0;

  /** Returns the function that gives the place back. */
  function takePlace(key: string): () => void {
    const ofKey = readersOfKey.get(key) ?? 0;
    // The rest stays free for callbacks and other requests.
    if (readers >= limits.connections * SHARE_OF_READERS || ofKey >= limits.connections * SHARE_OF_KEY)
      throw new Problem('too_many_requests', { retryAfterSeconds: 30 });
    readers++;
    readersOfKey.set(key, ofKey + 1);
    let isGiven = false;
    return () => {
      if (isGiven) return;
      isGiven = true;
      readers--;
      const left = (readersOfKey.get(key) ?? 1) - 1;
      if (left === 0) readersOfKey.delete(key);
      else readersOfKey.set(key, left);
    };
  }

  /** One of the reads too: a cursor of a feed that was restored takes some forty look-ups. */
  async function startOf(after: string | undefined, signal: AbortSignal): Promise<FeedCursor> {
    const within = <T>(work: () => Promise<T>) => withinReads(readerDeps.reads, signal, work);
    if (after === undefined) return await within(catalogue.events.oldest);
    if (after === FROM_NOW) return await within(catalogue.events.head);
    const cursor = decodeFeedCursor(after);
    if (!cursor) throw new Problem('invalid_cursor');
    const place = await within(() => catalogue.events.locate(cursor));
    if (place.is === 'expired')
      throw new Problem('cursor_expired', { more: { oldestCursor: encodeFeedCursor(place.oldest) } });
    return place.cursor;
  }

  function readerOf(request: FastifyRequest<{ Querystring: EventsQuery }>): EventReader {
    const { query, principal } = request;
    const named = query.account?.map((name) => resolveAccount(principal, deps.accounts, name));
    const accounts = named ?? principal.accounts;
    const filter = { ...(query.type ? { types: query.type } : {}), ...(accounts ? { accounts } : {}) };
    return createEventReader(readerDeps, filter, languageOf(request));
  }

  async function readPage(reader: EventReader, start: FeedCursor, query: EventsQuery, signal: AbortSignal) {
    const endMs = performance.now() + (query.wait ?? 0);
    let page = await reader.read(start, query.limit, signal);
    while (page.items.length === 0 && !page.isLost && !signal.aborted) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) break;
      if (page.hasMore) page = await reader.read(page.end, query.limit, signal);
      else {
        const batch = await reader.wait(page.end, leftMs, signal);
        page = batch ?? (await reader.read(page.end, query.limit, signal));
      }
    }
    if (page.items.length <= query.limit) return page;
    // Of a batch for all clients, this one asked for less.
    const items = page.items.slice(0, query.limit);
    const { position, sequencedAt } = items.at(-1)!.event;
    return { items, end: { position, atMs: sequencedAt.getTime() } };
  }

  async function mayGoOn(request: FastifyRequest): Promise<boolean> {
    try {
      await deps.access.authorize(request, { scope: 'read', accountScoped: true });
      return true;
    } catch (error) {
      // While the catalogue is unavailable, sessions cannot be checked; they have not ended.
      return error instanceof Problem && error.code === 'database_away';
    }
  }

  return async (app: App): Promise<void> => {
    app.get(
      '/v1/events',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['events'],
          operationId: 'listEvents',
          summary: 'List what happened, oldest first',
          description:
            'Waits for the next event with `wait`. With `Accept: text/event-stream` it streams: `id` is a cursor, with which `Last-Event-ID` goes on.',
          querystring: eventsQuery,
          response: { 200: eventPageSchema },
          contentTypes: { 200: ['text/event-stream'] },
          examples: {
            querystring: { wait: '20s', type: ['media.archived'] },
            response: { 200: pageExample },
          },
          problems: ['invalid_cursor', 'cursor_expired'],
        },
      },
      async (request, reply) => {
        const reader = readerOf(request);
        const leave = takePlace(request.principal.name);
        // The end of the response, or of the connection before it.
        const left = new AbortController();
        const end = () => {
          left.abort();
          leave();
        };
        reply.raw.once('close', end);
        // The client may have left while its session was checked: then there is no such event any more.
        if (reply.raw.destroyed) end();
        const signal = AbortSignal.any([left.signal, shutdown.signal]);
        reply.header('cache-control', 'no-store');
        const { accept = '', 'last-event-id': lastId } = request.headers;
        if (!/\btext\/event-stream\b/.test(accept)) {
          const start = await startOf(request.query.after, signal);
          const { items, end } = await readPage(reader, start, request.query, signal);
          return { items: items.map(({ json }) => json), nextCursor: encodeFeedCursor(end) };
        }
        const after = typeof lastId === 'string' && lastId ? lastId : request.query.after;
        const start = await startOf(after, signal);
        const stream = openEventStream({
          reader,
          start,
          mayGoOn: () => mayGoOn(request),
          onError: (error) => {
            // The client comes back, and gets the reason as a response.
            if (error instanceof Problem || error instanceof DatabaseUnavailableError) return;
            deps.repeatedLog.write('error', 'events', { err: error }, 'server: stream of events failed');
          },
          signal,
        });
        return await reply
          .type('text/event-stream; charset=utf-8')
          // nginx buffers responses otherwise.
          .header('x-accel-buffering', 'no')
          .send(stream);
      },
    );
  };
}
