/** From what is the case to what is a trouble. Pure: the facts in, the troubles out. */
import { type AccountState, HELD_BY_HAND } from '../../catalogue/accounts.ts';
import type { Trouble } from '../../catalogue/incidents.ts';
import type { StoreHoldState } from '../../catalogue/store-hold.ts';
import type { AtRisk, CallbackDays } from '../../catalogue/trouble-facts.ts';
import type { KindName } from './kinds.ts';

export type Found = Trouble & { readonly kind: KindName };

const DAY_MS = 86_400_000;
const BUSY_MESSAGES = 20;
const BUSY_DAYS = 7;
export const DAYS_LOOKED_AT = 28;
const LEAST_DAYS = 3;

export function accountsHeld(states: readonly AccountState[], now: Date): Found[] {
  return states
    .filter(({ heldUntil, hold }) => heldUntil !== undefined && hold?.class !== 'minute_limit')
    .map(({ account, heldSince, hold }) => ({
      kind: 'account_held',
      target: account,
      since: heldSince ?? now,
      count: 1,
      detail: {
        code: hold?.code ?? HELD_BY_HAND,
        ...(hold?.errcode === undefined ? {} : { errcode: hold.errcode }),
        ...(hold?.reason ? { reason: hold.reason } : {}),
        ...(hold?.by ? { by: hold.by } : {}),
      },
    }));
}

export function storeHeld(hold: StoreHoldState | undefined): Found[] {
  if (!hold) return [];
  return [{ kind: 'store_held', target: '', since: hold.since, count: 1, detail: { code: hold.why.code } }];
}

export function mediaAtRisk({ count, expiresAt }: AtRisk, now: Date): Found[] {
  if (count === 0 || !expiresAt) return [];
  const nearestSeconds = Math.round((expiresAt.getTime() - now.getTime()) / 1000);
  return [{ kind: 'at_risk', target: '', since: now, count, detail: { nearestSeconds } }];
}

export function counted(
  kind: 'expired' | 'store_refused',
  { count, firstAt }: { count: number; firstAt: Date | undefined },
): Found[] {
  return count > 0 && firstAt ? [{ kind, target: '', since: firstAt, count, detail: {} }] : [];
}

/** The day of `date`, `offset` days later; UTC, `2026-01-31`. */
export const dayOf = (date: Date, offset = 0): string =>
  new Date(date.getTime() + offset * DAY_MS).toISOString().slice(0, 10);

/** Shorter silences need no look at the days: a day is the least that {@link usualSilenceMs} answers. */
export const isSilent = (lastCallbackAt: Date, now: Date): boolean =>
  now.getTime() - lastCallbackAt.getTime() > DAY_MS;

/**
 * How long an account may be silent before it is strange, by the 28 days up to its last callback; undefined where it
 * gets too little to tell. Whole empty days are counted, so a night, a weekend off or a slow shop is no alarm: a
 * silence of two days more than ever before must hold a longer run of empty days than any before it.
 */
export function usualSilenceMs(
  days: ReadonlyMap<string, number> | undefined,
  lastCallbackAt: Date,
): number | undefined {
  const counts = Array.from(
    { length: DAYS_LOOKED_AT },
    (_, back) => days?.get(dayOf(lastCallbackAt, -back)) ?? 0,
  );
  if (counts.filter((count) => count > 0).length < LEAST_DAYS) return undefined;
  // The day of the last callback is not over for it: the week before.
  if (counts.slice(1, 1 + BUSY_DAYS).every((count) => count >= BUSY_MESSAGES)) return DAY_MS;
  let run = 0;
  let longest = 0;
  // Before its first message the account may not have been connected.
  for (const count of counts.slice(0, counts.findLastIndex((one) => one > 0) + 1)) {
    run = count > 0 ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  return (longest + 2) * DAY_MS;
}

export function accountsSilent(
  accounts: readonly { account: string; lastCallbackAt?: Date }[],
  days: CallbackDays,
  now: Date,
): Found[] {
  return accounts.flatMap(({ account, lastCallbackAt }) => {
    if (!lastCallbackAt) return [];
    const silentMs = now.getTime() - lastCallbackAt.getTime();
    const usualMs = usualSilenceMs(days.get(account), lastCallbackAt);
    if (usualMs === undefined || silentMs <= usualMs) return [];
    const detail = { silentSeconds: Math.round(silentMs / 1000) };
    return [{ kind: 'no_callbacks', target: account, since: lastCallbackAt, count: 1, detail }];
  });
}
