/** The events of the feed, as the iterator yields them. */
import type * as api from './api-types.ts';

interface InFeed {
  /** Pass it as `after` to go on behind this event. Store it once the event is processed. */
  readonly cursor: string;
}

export type MediaEvent = api.MediaEvent & InFeed;
export type AccountEvent = api.AccountEvent & InFeed;
export type StoreEvent = api.StoreEvent & InFeed;

/** An event of the feed. A newer server may send further types: ignore those that you do not know. */
export type ArchiverEvent = MediaEvent | AccountEvent | StoreEvent;
