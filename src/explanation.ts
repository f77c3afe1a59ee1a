/** Texts in the languages of the API. */
export type Language = 'en' | 'zh';

export interface LocalizedText {
  readonly en: string;
  readonly zh: string;
}

/** A message and an advice. */
export interface Explanation {
  readonly message: LocalizedText;
  readonly advice: LocalizedText;
}
