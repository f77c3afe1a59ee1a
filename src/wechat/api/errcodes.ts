/** Looks an errcode up, and says a failure in words. The data is in errcode-table.ts. */
import type { Product } from '../../account.ts';
import { type Explanation, FAILURES, type Failure, type FailureClass } from '../../failures.ts';
import { type Endpoint, type ErrcodeScope, MEANINGS, type Meaning, OTHER_MEANINGS } from './errcode-table.ts';

export interface Classified {
  readonly class: FailureClass;
  /** Machine name: `invalid_media_id`, …; `unknown_errcode` where the table has no row. */
  readonly code: string;
}

/** How closely a place fits: a product of its own counts more than an endpoint, a single number more than a range. */
function fit(place: ErrcodeScope, family: 'official' | 'wecom', endpoint: Endpoint, errcode: number): number {
  if (place.product !== 'any' && place.product !== family) return 0;
  if (place.endpoint !== 'any' && place.endpoint !== endpoint) return 0;
  const single = place.errcodes.includes(errcode);
  const range = place.errcodes.some(
    (some) => typeof some === 'object' && errcode >= some[0] && errcode <= some[1],
  );
  if (!single && !range) return 0;
  return 1 + (place.product === 'any' ? 0 : 4) + (place.endpoint === 'any' ? 0 : 2) + (single ? 8 : 0);
}

/** What an errcode means, by the product and the call that answered it: 40001 is three different things. */
export function classifyErrcode(product: Product, endpoint: Endpoint, errcode: number): Classified {
  const family = product === 'wecom' ? 'wecom' : 'official';
  let best: Meaning | undefined;
  let bestFit = 0;
  for (const meaning of MEANINGS) {
    for (const place of meaning.scopes) {
      const placeFit = fit(place, family, endpoint, errcode);
      if (placeFit > bestFit) [best, bestFit] = [meaning, placeFit];
    }
  }
  return best ? { class: best.class, code: best.code } : { class: 'unknown', code: 'unknown_errcode' };
}

const BY_CODE = new Map<string, Explanation>([
  ...Object.entries(FAILURES),
  ...[...MEANINGS, ...OTHER_MEANINGS].map((meaning) => [meaning.code, meaning] as const),
]);

/** Every machine name there is. */
export const FAILURE_CODES: readonly string[] = [...BY_CODE.keys()];

/** The sentence and the advice for any failure, in both languages. Never without an answer. */
export function explain(failure: Pick<Failure, 'code' | 'errcode'>): Explanation {
  const known = BY_CODE.get(failure.code);
  if (known && failure.code !== 'unknown_errcode') return { message: known.message, advice: known.advice };
  const { message, advice } = BY_CODE.get('unknown_errcode')!;
  const which = failure.errcode === undefined ? failure.code : String(failure.errcode);
  return { message: { en: `${message.en} (${which})`, zh: `${message.zh}(${which})` }, advice };
}
