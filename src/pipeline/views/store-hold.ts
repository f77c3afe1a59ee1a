/** The JSON of the store hold in the API: the failure, the end, and the advice. */
import type { StoreHoldState } from '../../catalogue/queue/store-hold.ts';
import type { Language } from '../../explanation.ts';
import { explain } from '../../wechat/api/errcodes.ts';

/** The name that rows use for the configured store. */
export const CONFIGURED_STORE = 'default';

export function storeHoldJson(
  { since, until, failure }: Pick<StoreHoldState, 'failure'> & Partial<StoreHoldState>,
  language: Language,
) {
  const { message, advice } = explain(failure);
  return { ...failure, message: message[language], advice: advice[language], since, until };
}
