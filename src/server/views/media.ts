/** A media item as the API returns it: failures with message and advice in the client's language. */
import type { MediaRow } from '../../catalogue/media/row.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { Language } from '../problem.ts';

export type MediaJson = Omit<MediaRow, 'failure'> & {
  failure?: Record<string, unknown>;
  link?: { url: string; expiresAt: Date };
};

/** JSON.stringify turns its dates into RFC 3339. */
export function mediaJson(row: MediaRow, language: Language): MediaJson {
  const { failure, ...rest } = row;
  if (!failure) return rest;
  const explanation = explain(failure);
  return {
    ...rest,
    failure: { ...failure, message: explanation.message[language], advice: explanation.advice[language] },
  };
}
