/**
 * The feed of events in one process: gives events their positions, and hands new ones to all clients that wait. One
 * small query at a time serves them all, however many wait.
 */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { FeedCursor } from '../../catalogue/events/cursor.ts';
import type { EventPage } from '../../catalogue/events/read.ts';
import type { Event } from '../../event.ts';
import type { Language } from '../../explanation.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { createWakeSignal } from '../../runtime/wake-signal.ts';
import type { EventJson } from './event-json.ts';

export interface EventFeedDeps {
  catalogue: { events: Pick<Catalogue['events'], 'sequence' | 'read' | 'locate'> };
  eventJson: (events: readonly Event[], language: Language) => Promise<EventJson[]>;
  clock: Pick<Clock, 'now'>;
  metrics: Pick<Metrics, 'backgroundErrors' | 'loopFailing' | 'events' | 'eventDelivery' | 'eventReaders'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** Events that became visible together, for all clients that waited. */
export interface EventBatch extends EventPage {
  /** The JSON of all its events, read once for each language, however many clients ask. */
  json(language: Language): Promise<readonly EventJson[]>;
}

export interface EventFeed {
  /** Works until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Waits for events after a position. Undefined: some may be there already, so read the catalogue; or the time is over,
   * or the signal has aborted.
   */
  wait(after: number, ms: number, signal: AbortSignal): Promise<EventBatch | undefined>;
  /**
   * How often the feed lost its end while this process ran: a backup was restored, or a standby was promoted that lacked
   * the last events. Positions from before have another meaning then; cursors must be located again.
   */
  losses(): number;
}

/** While a client waits: an event is at the client after half of it on average. */
const ACTIVE_MS = 200;
const IDLE_MS = 1_000;
const BATCH = 500;

export function createEventFeed(deps: EventFeedDeps): EventFeed {
  const { catalogue, metrics } = deps;
  const waiters = new Set<{ readonly after: number; readonly resolve: (batch?: EventBatch) => void }>();
  const wakeSignal = createWakeSignal();
  /** Clients that wait get what follows this position; undefined before the first turn. */
  let published: FeedCursor | undefined;
  let losses = 0;

  function toBatch(page: EventPage): EventBatch {
    const byLanguage = new Map<Language, Promise<EventJson[]>>();
    return {
      ...page,
      json: (language) => {
        const json = byLanguage.get(language) ?? deps.eventJson(page.items, language);
        byLanguage.set(language, json);
        return json;
      },
    };
  }

  function publish(batch: EventBatch): void {
    published = batch.end;
    const now = deps.clock.now().getTime();
    for (const { at } of batch.items) metrics.eventDelivery.observe(Math.max(0, now - at.getTime()) / 1000);
    for (const waiter of waiters) if (waiter.after < published.position) waiter.resolve(batch);
  }

  /** Whether the event at the place up to which clients have read is gone, or another one. */
  async function isLost(before: FeedCursor, end: FeedCursor): Promise<boolean> {
    if (end.position < before.position) return true;
    if (end.position === before.position) return end.atMs !== before.atMs;
    const place = await catalogue.events.locate(before);
    return place.is === 'here' && place.cursor.position !== before.position;
  }

  async function turn(): Promise<number> {
    const { end, counts, hasMore } = await catalogue.events.sequence();
    for (const [type, n] of counts) metrics.events.inc({ type }, n);
    if (published === undefined) {
      published = end;
      // They have waited for this turn, and what they wait for may be there already.
      for (const waiter of waiters) waiter.resolve();
    }
    if (await isLost(published, end)) {
      losses++;
      published = end;
      deps.log.warn(
        { position: end.position },
        'events: the database lost the end of the feed; clients begin earlier',
      );
      for (const waiter of waiters) waiter.resolve();
    }
    if (waiters.size === 0) published = end;
    else if (end.position > published.position)
      publish(toBatch(await catalogue.events.read(published.position, {}, BATCH)));
    if (hasMore || end.position > published.position) return 0;
    return waiters.size > 0 ? ACTIVE_MS : IDLE_MS;
  }

  const loop = createPollLoop({
    name: 'events',
    everyMs: IDLE_MS,
    log: deps.log,
    metrics,
    wakeSignal,
    work: turn,
  });

  return {
    run: loop.run,
    losses: () => losses,
    wait: (after, ms, signal) =>
      new Promise((resolve) => {
        // Before the first turn it waits for that, because clients would read the catalogue without a pause otherwise.
        if (signal.aborted || (published !== undefined && after < published.position))
          return resolve(undefined);
        const end = () => waiter.resolve();
        const waiter = {
          after,
          resolve: (batch?: EventBatch) => {
            clearTimeout(timer);
            signal.removeEventListener('abort', end);
            waiters.delete(waiter);
            metrics.eventReaders.set(waiters.size);
            resolve(batch);
          },
        };
        const timer = setTimeout(end, ms);
        signal.addEventListener('abort', end, { once: true });
        if (waiters.size === 0) wakeSignal.notify();
        waiters.add(waiter);
        metrics.eventReaders.set(waiters.size);
      }),
  };
}
