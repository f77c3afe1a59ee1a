/** Accounts that misbehave as a whole, for a while, at one place of the API. */
import type { ServerResponse } from 'node:http';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import type { Ledger } from '../http/request-log.ts';
import type { Behaviour, BehaviourName } from '../media/media-id.ts';
import type { Exchange } from './fault-context.ts';
import { BEHAVIOURS, behaviourNow } from './response-faults.ts';

/** Files; access tokens of every kind; kf/sync_msg. */
export const PLACES = ['media', 'token', 'sync'] as const;
export type Place = (typeof PLACES)[number];

export interface Played {
  readonly name: BehaviourName;
  readonly amount: number;
}

export interface Spoiling {
  /** From now on; undefined ends it. Throws RangeError for a row that looks at a file where there is none. */
  begin(account: SimulatedAccount, behaviour: Behaviour | undefined, at: Place): void;
  /** What the next answer plays, without playing it. */
  peek(account: SimulatedAccount, at: Place): Played | undefined;
  /** The same, and counts it. */
  take(account: SimulatedAccount, at: Place): Played | undefined;
  /** Plays it where there is one. True: it was the answer. */
  spoil(account: SimulatedAccount, at: Exclude<Place, 'media'>, response: ServerResponse): Promise<boolean>;
}

export function createSpoiling(options: {
  ledger: Pick<Ledger, 'errcode' | 'count'>;
  elsewhereUrl(): string;
}): Spoiling {
  const spoiled = new Map<string, { behaviour: Behaviour; played: number }>();
  const keyOf = (account: SimulatedAccount, at: Place) => `${at} ${account.account}`;

  function peek(account: SimulatedAccount, at: Place): Played | undefined {
    const playing = spoiled.get(keyOf(account, at));
    if (!playing) return undefined;
    const name = behaviourNow(playing.behaviour, playing.played + 1);
    return name === 'none' ? undefined : { name, amount: playing.behaviour.amount ?? 0 };
  }
  function take(account: SimulatedAccount, at: Place): Played | undefined {
    const found = peek(account, at);
    const playing = spoiled.get(keyOf(account, at));
    if (found && playing) playing.played++;
    return found;
  }

  return {
    begin: (account, behaviour, at) => {
      if (!behaviour) spoiled.delete(keyOf(account, at));
      else if (at !== 'media' && !BEHAVIOURS[behaviour.name].early)
        throw new RangeError(`${behaviour.name} looks at a file: there is none at ${at}`);
      else spoiled.set(keyOf(account, at), { behaviour, played: 0 });
    },
    peek,
    take,
    spoil: async (account, at, response) => {
      const played = take(account, at);
      if (!played) return false;
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const exchange: Exchange = {
        mediaId: '',
        get content(): never {
          throw new Error('a row that looks at the file must not be early');
        },
        response,
        amount: played.amount,
        tries: 1,
        range: undefined,
        ledger: options.ledger,
        link: options.elsewhereUrl,
        elsewhere: options.elsewhereUrl,
        signal: gone.signal,
      };
      await BEHAVIOURS[played.name].play(exchange);
      return true;
    },
  };
}
