/** Texts in the languages of the API. */
export type Language = 'en' | 'zh';

export type LocalizedText = Readonly<Record<Language, string>>;

/** A message and an advice. */
export interface Explanation {
  readonly message: LocalizedText;
  readonly advice: LocalizedText;
}
