/** The JSON of events, for the feed and for webhooks: the event, and the item, account or store as it is now. */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Event, EventType } from '../../event.ts';
import type { Language } from '../../explanation.ts';
import { accountHoldJson, isHeld } from '../views/account-hold.ts';
import { mediaJson } from '../views/media.ts';
import { CONFIGURED_STORE, storeHoldJson } from '../views/store-hold.ts';

export interface EventJson {
  readonly id: string;
  readonly type: EventType;
  readonly at: Date;
  /** null: it is about the store. */
  readonly account: string | null;
  /** Its position in the feed: orders events that arrive in another order. */
  readonly sequence: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventJsonDeps {
  catalogue: {
    media: Pick<Catalogue['media'], 'getMany'>;
    accounts: Pick<Catalogue['accounts'], 'list'>;
    storeHold: Pick<Catalogue['storeHold'], 'read'>;
  };
  accounts: Pick<Accounts, 'find'>;
  clock: { now(): Date };
}

/** Reads what the events are about as it is now, in at most three queries, whatever their number. */
export function createEventJson({ catalogue, accounts, clock }: EventJsonDeps) {
  return async (events: readonly Event[], language: Language): Promise<EventJson[]> => {
    if (events.length === 0) return [];
    const ids = new Set(events.flatMap(({ media }) => media ?? []));
    const isAboutAccount = events.some(({ type }) => type.startsWith('account.'));
    const isAboutStore = events.some(({ type }) => type.startsWith('store.'));
    const [rows, states, store] = await Promise.all([
      catalogue.media.getMany([...ids]),
      isAboutAccount ? catalogue.accounts.list() : [],
      isAboutStore ? catalogue.storeHold.read() : undefined,
    ]);
    const items = new Map(rows.map((row) => [row.id, mediaJson(row, language)]));
    const now = clock.now();

    function accountData(account: string) {
      const state = states.find((one) => one.account === account);
      const { name, product } = accounts.find(account) ?? {};
      return {
        account,
        ...(name ? { name } : {}),
        ...(product ? { product } : {}),
        hold: state && isHeld(state, now) ? accountHoldJson(state, language) : null,
      };
    }
    function dataOf({ media, account }: Event): EventJson['data'] {
      if (media !== undefined) return { ...(items.get(media) ?? { id: media, account }) };
      if (account !== undefined) return accountData(account);
      return { name: CONFIGURED_STORE, hold: store?.hold ? storeHoldJson(store.hold, language) : null };
    }
    return events.map((event) => ({
      id: event.id,
      type: event.type,
      at: event.at,
      account: event.account ?? null,
      sequence: event.position,
      data: dataOf(event),
    }));
  };
}
