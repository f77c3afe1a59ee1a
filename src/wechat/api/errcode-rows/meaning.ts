/** Defines a row of the errcode table, and the texts that several rows share. */
import type { Explanation, FailureClass } from '../../../failures.ts';

/** The WeChat call that returned an errcode. `quota` is the quota API, which no download depends on. */
export type Endpoint = 'media_get' | 'token' | 'quota' | 'sync_msg' | 'any';

/** Mini programs use the host, the calls and the errcodes of official accounts. */
export type ErrcodeProduct = 'official' | 'wecom' | 'any';

/** The product, the call and the numbers to which a row applies. */
export interface ErrcodeScope {
  readonly product: ErrcodeProduct;
  readonly endpoint: Endpoint;
  /** Single numbers, and inclusive ranges. */
  readonly errcodes: readonly (number | readonly [from: number, to: number])[];
}

export interface Meaning extends Explanation {
  readonly code: string;
  readonly class: FailureClass;
  /** Empty for failures without an errcode. */
  readonly scopes: readonly ErrcodeScope[];
  /**
   * Whether WeChat no longer has the item, or never had it: before the deadline the id is wrong, after it the item has
   * expired. An earlier attempt may have stored the item.
   */
  readonly isMediaGone: boolean;
}

export type Bilingual = readonly [en: string, zh: string];

export const meaning = (
  code: string,
  failureClass: FailureClass,
  scopes: readonly ErrcodeScope[],
  [en, zh]: Bilingual,
  [adviceEn, adviceZh]: Bilingual,
  { isMediaGone = false } = {},
): Meaning => ({
  code,
  class: failureClass,
  scopes,
  message: { en, zh },
  advice: { en: adviceEn, zh: adviceZh },
  isMediaGone,
});

export const scope = (
  product: ErrcodeProduct,
  endpoint: Endpoint,
  ...errcodes: ErrcodeScope['errcodes'][number][]
): ErrcodeScope => ({ product, endpoint, errcodes });

export const NOTHING_TO_DO: Bilingual = [
  'Nothing to do: it is retried automatically.',
  '无需处理：系统会自动重试。',
];

export const REPORT: Bilingual = [
  'The request itself is wrong. Check WECHAT_API_BASE_URL and any proxy in between; otherwise report it.',
  '请求本身有误。请检查 WECHAT_API_BASE_URL 及中间代理；若无问题请反馈。',
];
