/** Compares what arrived at the listeners with the table of events, and the table with the rows. Pure. */
import type { Arrival } from './arrivals.ts';

export interface EventRow {
  readonly position: number;
  /** As listeners get it. */
  readonly id: string;
  readonly type: string;
  readonly account: string | null;
  readonly media: string | null;
}

/** What arrived at one listener. */
export interface Heard {
  readonly name: string;
  /** Readers of the feed get events in order; webhooks may overtake each other. */
  readonly isOrdered: boolean;
  /** Events up to this position were there before it listened. */
  readonly after: number;
  readonly arrivals: readonly Arrival[];
}

export interface Comparison {
  readonly name: string;
  /** Different events. */
  readonly arrived: number;
  readonly missing: readonly string[];
  /** Arrivals of an event that had arrived before. */
  readonly duplicates: number;
  /** Arrivals that are no event of the table, or have another sequence there. */
  readonly foreign: readonly string[];
  /** First arrivals behind an event that comes later in the feed. */
  readonly outOfOrder: number;
  /** Sorted by sequence, the ids are those of the table in its order. */
  readonly isOrderRestored: boolean;
}

export function compare(rows: readonly EventRow[], { name, isOrdered, after, arrivals }: Heard): Comparison {
  const positions = new Map(rows.map(({ id, position }) => [id, position]));
  const first = new Map<string, number>();
  const foreign: string[] = [];
  let latest = 0;
  let outOfOrder = 0;
  for (const [id, sequence] of arrivals) {
    if (positions.get(id) !== sequence) foreign.push(`${id} with sequence ${sequence}`);
    if (first.has(id)) continue;
    first.set(id, sequence);
    if (sequence < latest) outOfOrder++;
    latest = Math.max(latest, sequence);
  }
  const wanted = rows.filter(({ position }) => position > after);
  const bySequence = [...first].filter(([, sequence]) => sequence > after).sort(([, a], [, b]) => a - b);
  return {
    name,
    arrived: first.size,
    missing: wanted
      .filter(({ id }) => !first.has(id))
      .map(({ id, position, type }) => `${position} ${type} ${id}`),
    duplicates: arrivals.length - first.size,
    foreign,
    outOfOrder: isOrdered ? outOfOrder : 0,
    isOrderRestored:
      bySequence.length === wanted.length && bySequence.every(([id], index) => id === wanted[index]!.id),
  };
}

/** Rows by position. A sentence for each place where the positions are not 1, 2, 3 … */
export function findGaps(rows: readonly EventRow[]): string[] {
  return rows.flatMap(({ position }, index) => {
    const before = index === 0 ? 0 : rows[index - 1]!.position;
    return position === before + 1 ? [] : [`${position} follows ${before}`];
  });
}

const CLOSING = ['media.archived', 'media.dead', 'media.expired', 'media.erased'];
const OPEN = [...CLOSING, 'media.at_risk'];
/** Which events of an item may follow which. */
const NEXT: Readonly<Record<string, readonly string[]>> = {
  '': OPEN,
  'media.at_risk': CLOSING,
  'media.redriven': OPEN,
  // The object of a dead item may be found.
  'media.dead': ['media.redriven', 'media.archived', 'media.erased'],
  'media.expired': ['media.redriven', 'media.archived', 'media.erased'],
  'media.archived': ['media.erased'],
  'media.erased': [],
};

/** A sentence for each event that cannot have happened after the one before of the same item, account or store. */
export function findImpossible(rows: readonly EventRow[]): string[] {
  const last = new Map<string, string>();
  const found: string[] = [];
  for (const { position, type, account, media } of rows) {
    const subject = media ?? account ?? 'store';
    const before = last.get(subject) ?? '';
    const isPossible = media ? NEXT[before]?.includes(type) : type !== before;
    if (!isPossible) found.push(`${position}: ${type} of ${subject} follows ${before || 'nothing'}`);
    last.set(subject, type);
  }
  return found;
}

export interface MediaState {
  readonly id: string;
  readonly status: string;
  readonly redrives: number;
}

/** A sentence for each item of which the events do not say what its row says. */
export function findUntold(rows: readonly EventRow[], items: readonly MediaState[]): string[] {
  const last = new Map<string, string>();
  const redrives = new Map<string, number>();
  for (const { type, media } of rows) {
    if (!media || type === 'media.at_risk') continue;
    last.set(media, type);
    if (type === 'media.redriven') redrives.set(media, (redrives.get(media) ?? 0) + 1);
  }
  return items.flatMap((item) => {
    const told = last.get(item.id);
    const wanted = item.status === 'pending' ? [undefined, 'media.redriven'] : [`media.${item.status}`];
    if (!wanted.includes(told)) return [`${item.id} is ${item.status}, its last event is ${told ?? 'none'}`];
    const counted = redrives.get(item.id) ?? 0;
    if (item.status !== 'erased' && counted !== item.redrives)
      return [`${item.id} was redriven ${item.redrives} times and has ${counted} events of it`];
    return [];
  });
}

/** The milliseconds from `at` to the first arrival, of events of a time: the share `share` is not longer. */
export function delayOf(arrivals: readonly Arrival[], fromMs: number, toMs: number, share: number): number {
  const seen = new Set<string>();
  const delays: number[] = [];
  for (const [id, , atMs, arrivedMs] of arrivals) {
    if (seen.has(id) || atMs < fromMs || atMs >= toMs) continue;
    seen.add(id);
    delays.push(arrivedMs - atMs);
  }
  delays.sort((a, b) => a - b);
  return delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? Number.NaN;
}
