/** The hold of the store as the API and the page show it: why, and what to correct. */
import type { StoreHoldState } from '../catalogue/store-hold.ts';
import { explain } from '../wechat/errcodes.ts';
import type { Language } from './problem.ts';

export function storeHoldJson({ since, until, why }: StoreHoldState, language: Language) {
  const { message, advice } = explain(why);
  return { ...why, message: message[language], advice: advice[language], since, until };
}

const HELD = { en: 'all archiving is held', zh: '归档已全部暂停' };

/** One sentence, for whoever looks at the health of the service. */
export function storeHoldWords({ why }: StoreHoldState, language: Language): string {
  const { message, advice } = explain(why);
  const colon = language === 'zh' ? '：' : ': ';
  return `${HELD[language]}${colon}${message[language]} ${advice[language]}`;
}
