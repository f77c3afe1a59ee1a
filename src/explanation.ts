/** Texts in the languages of the API. */
export type Language = 'en' | 'zh';

/** A message and an advice, each in both languages of the API. */
export interface Explanation {
  readonly message: { readonly en: string; readonly zh: string };
  readonly advice: { readonly en: string; readonly zh: string };
}
