/** The events of the feed. */
import type { Account, EventType, Media, Store } from './api-types.ts';

interface EventOf<Type extends string, Data> {
  /** `evt_` and 32 hex digits: the same each time it is delivered. */
  readonly id: string;
  readonly type: Type;
  /** When it happened: RFC 3339, UTC. */
  readonly at: string;
  /** Null: it is about the store, which all accounts share. */
  readonly account: string | null;
  /** Ascends in the order of the feed. */
  readonly sequence: number;
  /** What the event is about, as it is when the event is read. */
  readonly data: Data;
  /** Pass it as `after` to go on behind this event: store it once the event is processed. */
  readonly cursor: string;
}

export type MediaEvent = EventOf<Extract<EventType, `media.${string}`>, Media>;
export type AccountEvent = EventOf<Extract<EventType, `account.${string}`>, Account>;
export type StoreEvent = EventOf<Extract<EventType, `store.${string}`>, Store>;

/** An event of the feed. A newer server may send further types: ignore those that you do not know. */
export type ArchiverEvent = MediaEvent | AccountEvent | StoreEvent;
