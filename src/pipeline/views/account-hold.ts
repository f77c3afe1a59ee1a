/** The JSON of the hold of an account in the API and in events. */
import { type AccountState, ENDLESS, HELD_BY_HAND } from '../../catalogue/accounts/accounts.ts';
import type { Language } from '../../explanation.ts';
import { explain } from '../../wechat/api/errcodes.ts';

/** Whether the account is held, so that none of its items is dispatched now. */
export const isHeld = ({ heldUntil }: Pick<AccountState, 'heldUntil'>, now: Date): boolean =>
  heldUntil !== undefined && heldUntil > now;

/** The JSON of an account's hold. Without a reason of a person `reason` is the message. */
export function accountHoldJson({ hold, heldUntil, heldSince }: AccountState, language: Language) {
  const reason = hold ?? { code: HELD_BY_HAND, class: 'account' };
  const { message, advice } = explain(reason);
  return {
    ...reason,
    reason: hold?.reason ?? message[language],
    ...(heldSince ? { since: heldSince } : {}),
    ...(heldUntil && heldUntil < ENDLESS ? { until: heldUntil } : {}),
    message: message[language],
    advice: advice[language],
  };
}
