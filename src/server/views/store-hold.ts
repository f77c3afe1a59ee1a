/** The store hold as the API returns it: why, until when, and what to correct. */
import type { StoreHoldState } from '../../catalogue/queue/store-hold.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { Language } from '../problem.ts';

export function storeHoldJson(
  { since, until, failure }: Pick<StoreHoldState, 'failure'> & Partial<StoreHoldState>,
  language: Language,
) {
  const { message, advice } = explain(failure);
  return { ...failure, message: message[language], advice: advice[language], since, until };
}
