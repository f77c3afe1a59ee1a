/** Looks up errcodes in the table of errcode-table.ts, and returns the texts that explain a failure. */
import type { Product } from '../../account.ts';
import { type Explanation, FAILURES, type Failure } from '../../failures.ts';
import type { Endpoint, ErrcodeScope, Meaning } from './errcode-rows/meaning.ts';
import { MEANINGS, OTHER_MEANINGS } from './errcode-table.ts';

/**
 * Returns how specifically a scope matches the errcode; 0: it does not match. A single number counts more than a range,
 * and a product counts more than an endpoint.
 */
function specificity(
  scope: ErrcodeScope,
  family: 'official' | 'wecom',
  endpoint: Endpoint,
  errcode: number,
): number {
  if (scope.product !== 'any' && scope.product !== family) return 0;
  if (scope.endpoint !== 'any' && scope.endpoint !== endpoint) return 0;
  const isSingle = scope.errcodes.includes(errcode);
  const isInRange = scope.errcodes.some(
    (entry) => typeof entry === 'object' && errcode >= entry[0] && errcode <= entry[1],
  );
  if (!isSingle && !isInRange) return 0;
  return 1 + (scope.product === 'any' ? 0 : 4) + (scope.endpoint === 'any' ? 0 : 2) + (isSingle ? 8 : 0);
}

/**
 * Returns the class and the code of an errcode. They depend on the product and the call that returned it: 40001 has
 * three meanings. If the table has no row, the code is `unknown_errcode`.
 */
export function classifyErrcode(
  product: Product,
  endpoint: Endpoint,
  errcode: number,
): Pick<Failure, 'class' | 'code'> {
  const family = product === 'wecom' ? 'wecom' : 'official';
  let best: Meaning | undefined;
  let bestSpecificity = 0;
  for (const meaning of MEANINGS) {
    for (const scope of meaning.scopes) {
      const found = specificity(scope, family, endpoint, errcode);
      if (found > bestSpecificity) [best, bestSpecificity] = [meaning, found];
    }
  }
  return best ? { class: best.class, code: best.code } : { class: 'unknown', code: 'unknown_errcode' };
}

const ALL_MEANINGS = [...MEANINGS, ...OTHER_MEANINGS];
const EXPLANATIONS = new Map<string, Explanation>([
  ...Object.entries(FAILURES),
  ...ALL_MEANINGS.map((meaning) => [meaning.code, meaning] as const),
]);
const MEDIA_GONE_CODES: ReadonlySet<string> = new Set(
  ALL_MEANINGS.filter(({ isMediaGone }) => isMediaGone).map(({ code }) => code),
);

/** The codes of all failures. */
export const FAILURE_CODES: readonly string[] = [...EXPLANATIONS.keys()];

/**
 * Whether the failure means that WeChat no longer has the item, or never had it. Before the deadline the media id is
 * wrong, after it the item has expired.
 */
export const isMediaGone = ({ code }: Pick<Failure, 'code'>): boolean => MEDIA_GONE_CODES.has(code);

/**
 * Returns the message and the advice for a failure, in both languages. A code that is not in the table gets those of
 * `unknown_errcode`.
 */
export function explain(failure: Pick<Failure, 'code' | 'errcode'>): Explanation {
  const known = EXPLANATIONS.get(failure.code);
  if (known && failure.code !== 'unknown_errcode') return { message: known.message, advice: known.advice };
  const { message, advice } = EXPLANATIONS.get('unknown_errcode')!;
  const which = failure.errcode === undefined ? failure.code : String(failure.errcode);
  return { message: { en: `${message.en} (${which})`, zh: `${message.zh}(${which})` }, advice };
}
