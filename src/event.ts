/** The types of events: what the service tells programs that read the feed, and webhooks. */

export const EVENT_TYPES = [
  'media.archived',
  'media.dead',
  'media.expired',
  'media.at_risk',
  'media.redriven',
  'media.erased',
  'account.held',
  'account.released',
  'store.held',
  'store.released',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** An event as the catalogue keeps it: it names the item, or the account, and has nothing of its content. */
export interface Event {
  /** 1, 2, 3 … without gaps, in the order in which events became visible. */
  readonly position: number;
  /** `evt_` and 32 hex digits. The same for every receiver, so that repeated deliveries can be recognised. */
  readonly id: string;
  readonly type: EventType;
  /** When it happened. */
  readonly at: Date;
  /** When it got its position, by the clock of the database. */
  readonly sequencedAt: Date;
  /** Absent: it is about the store. */
  readonly account?: string;
  /** The id of the media item. */
  readonly media?: string;
}
