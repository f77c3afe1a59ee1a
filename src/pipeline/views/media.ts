/** The JSON of a media item in the API. Its failure has message and advice in the client's language. */
import type { Attempt } from '../../catalogue/media/read.ts';
import type { MediaRow } from '../../catalogue/media/row.ts';
import type { Language } from '../../explanation.ts';
import { explain } from '../../wechat/api/errcodes.ts';

export type MediaJson = Omit<MediaRow, 'failure'> & {
  failure?: Record<string, unknown>;
  link?: { url: string; expiresAt: Date };
};

/** Returns the JSON with Date objects; JSON.stringify formats them as RFC 3339. */
export function mediaJson(row: MediaRow, language: Language): MediaJson {
  const { failure, ...rest } = row;
  if (!failure) return rest;
  const explanation = explain(failure);
  return {
    ...rest,
    failure: { ...failure, message: explanation.message[language], advice: explanation.advice[language] },
  };
}

/** Attempts that failed get the sentence of their failure. */
export const attemptsJson = (attempts: readonly Attempt[], language: Language) =>
  attempts.map((attempt) => {
    const { code, errcode } = attempt;
    if (code === undefined) return attempt;
    return {
      ...attempt,
      message: explain({ code, ...(errcode === undefined ? {} : { errcode }) }).message[language],
    };
  });
