/**
 * The event feed as an iterator that outlives every break. It reads a stream (Server-Sent Events over fetch), because
 * only there each event has a cursor of its own, and because the comments that the server sends every 15 s tell a quiet
 * feed from a dead connection. Where a proxy holds the stream back nothing arrives at all; then it polls instead.
 */
import { systemClock } from '../../runtime/clock.ts';
import type { EventType } from './api-types.ts';
import { ClientError } from './client-error.ts';
import type { ArchiverEvent } from './event.ts';
import { createFeed, type StreamState } from './feed.ts';
import { misused, refuseUnknown, type Settings } from './options.ts';
import { decideRetryMs } from './retry.ts';

export interface EventOptions {
  /**
   * The cursor of the last event that the program has processed; `now`: only what comes; absent: from the oldest event
   * that the server keeps.
   */
  readonly after?: string | undefined;
  readonly types?: readonly EventType[] | undefined;
  /** appIds or names; default: all that the key may see. */
  readonly accounts?: readonly string[] | undefined;
  /** Ends the iteration: it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the feed broke off and is tried again in `waitMs`. Without it, a process warning tells of a long break. */
  readonly onRetry?: ((error: ClientError, waitMs: number) => void) | undefined;
  /** How long the stream may be silent; default 45,000: three comments of the server. */
  readonly idleTimeoutMs?: number | undefined;
}

const KNOWN = ['after', 'types', 'accounts', 'signal', 'onRetry', 'idleTimeoutMs'];
const IDLE_MS = 45_000;
const LONGEST_WAIT_MS = 30_000;
/** A stream that lasted this long worked, even if no event came. */
const WORKED_MS = 5_000;
/** How long it polls after a stream of which nothing arrived, before it tries a stream again. */
const POLLING_MS = 3_600_000;
/** Every event has one id, so one that was yielded is not yielded again by this iterator. */
const REMEMBERED = 1_000;
const WARN_AFTER_FAILURES = 4;

/**
 * Yields the events in order, each at least once. Reconnects after every failure that may pass, without a limit. Throws a
 * {@link ClientError} for one that stays: `cursor_expired` (events that were not read are no longer there),
 * `invalid_cursor`, a key that is wrong.
 */
export function readEvents(settings: Settings, options: EventOptions): AsyncGenerator<ArchiverEvent, void> {
  refuseUnknown(options, KNOWN, 'events');
  const { idleTimeoutMs = IDLE_MS, after } = options;
  if (!Number.isInteger(idleTimeoutMs) || idleTimeoutMs < 1)
    throw misused('idleTimeoutMs must be a whole number of milliseconds, at least 1');
  if (after !== undefined && (typeof after !== 'string' || after === ''))
    throw misused("after must be the cursor of an event, or 'now'");
  for (const name of ['types', 'accounts'] as const)
    if (options[name]?.length === 0) throw misused(`${name} must not be empty: leave it out for all`);
  return iterate(settings, options, idleTimeoutMs);
}

async function* iterate(
  settings: Settings,
  { after, types = [], accounts = [], signal, onRetry }: EventOptions,
  idleTimeoutMs: number,
): AsyncGenerator<ArchiverEvent, void> {
  const feed = createFeed(settings, { type: types, account: accounts });
  const isNew = createMemory(REMEMBERED);
  let cursor = after;
  let failures = 0;
  let pollUntilMs = 0;
  for (;;) {
    const startedAtMs = performance.now();
    const isStream = startedAtMs >= pollUntilMs;
    const state: StreamState = { isOpen: false, isAlive: false };
    try {
      // A stream that begins with `now` would skip what happens while it is broken off.
      if (cursor === 'now') cursor = await feed.currentCursor(signal);
      const steps = isStream
        ? feed.stream(cursor, { idleTimeoutMs, signal, state })
        : feed.page(cursor, signal);
      for await (const step of steps) {
        if (step.event) failures = 0;
        if (step.event && isNew(step.event.id)) yield step.event;
        cursor = step.cursor;
      }
      failures = isStream ? failures : 0;
      // A server that shuts down ends its streams.
      if (isStream) throw new ClientError('unavailable', `${settings.url} ended the stream of events`);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ClientError)) throw error;
      const nowMs = performance.now();
      if (state.isAlive && nowMs - startedAtMs > WORKED_MS) failures = 0;
      if (state.isOpen && !state.isAlive && error.code === 'timeout') pollUntilMs = nowMs + POLLING_MS;
      const facts = { failures, isIdempotent: true, longestWaitMs: LONGEST_WAIT_MS, random: Math.random() };
      const waitMs = decideRetryMs(error, facts);
      if (waitMs === undefined) throw error;
      failures++;
      if (onRetry) onRetry(error, waitMs);
      else if (failures === WARN_AFTER_FAILURES) process.emitWarning(`${error.message} Still trying.`);
      await systemClock.sleep(waitMs, signal);
    }
  }
}

/** Returns a function that is true for the first of equal ids, as far as it remembers. */
function createMemory(size: number): (id: string) => boolean {
  const known = new Set<string>();
  return (id) => {
    if (known.has(id)) return false;
    known.add(id);
    for (const oldest of known) {
      if (known.size <= size) break;
      known.delete(oldest);
    }
    return true;
  };
}
