/** The JSON of a media item in the API. Its failure has message and advice in the client's language. */
import type { MediaRow } from '../../catalogue/media/row.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { Language } from '../problem.ts';

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
