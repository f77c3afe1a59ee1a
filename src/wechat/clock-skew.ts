/** A clock of this server that is wrong, noticed by the timestamps WeChat signs, and said once. */
import type { Account } from '../account.ts';
import type { Log } from '../log.ts';
import { type CallbackQuery, clockSkewSeconds } from './callback.ts';

/** Deliveries are late by seconds at most: WeChat gives up on a callback after five. */
const NOTICED_SECONDS = 60;
/** A single late or replayed callback is no wrong clock. */
const IN_A_ROW = 3;

export interface SkewWatch {
  /** For every callback whose signature was right, refused as stale or not. */
  saw(account: Pick<Account, 'account'>, query: CallbackQuery, now: Date): void;
}

export function createSkewWatch(deps: { log: Pick<Log, 'warn' | 'info'> }): SkewWatch {
  let inARow = 0;
  let isSaid = false;
  return {
    saw: ({ account }, query, now) => {
      const skewSeconds = clockSkewSeconds(query.timestamp, now);
      if (skewSeconds === undefined) return;
      if (Math.abs(skewSeconds) <= NOTICED_SECONDS) {
        if (isSaid)
          deps.log.info({ account, skewSeconds }, "the clock of this server agrees with WeChat's again");
        [inARow, isSaid] = [0, false];
        return;
      }
      if (++inARow < IN_A_ROW || isSaid) return;
      isSaid = true;
      const way = skewSeconds > 0 ? 'ahead of' : 'behind';
      deps.log.warn(
        { account, skewSeconds },
        `the clock of this server is ${Math.abs(skewSeconds)} seconds ${way} WeChat's: set it by NTP, or plain callbacks will be refused`,
      );
    },
  };
}
