/** Reads the media item whose id is in a route's path. */
import { z } from 'zod';
import type { Catalogue } from '../../../catalogue/catalogue.ts';
import type { MediaRow } from '../../../catalogue/media/row.ts';
import { formatted } from '../../../field-errors.ts';
import { ID_PATTERN } from '../../../media.ts';
import type { Principal } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';
import { mediaIdExample } from './media-schema.ts';

export const mediaId = formatted(ID_PATTERN, { en: 'is not the id of a media item', zh: '不是素材的 id' });
export const mediaIdParams = z.object({ id: mediaId.meta({ examples: [mediaIdExample] }) });

/**
 * Throws Problem `media_not_found`, also for an item of an account that the key does not cover, so that the response
 * does not reveal whether the item exists.
 */
export async function findMedia(
  catalogue: { media: Pick<Catalogue['media'], 'get'> },
  id: string,
  principal: Principal,
): Promise<MediaRow> {
  const row = await catalogue.media.get(id);
  if (!row || (principal.accounts && !principal.accounts.includes(row.account))) {
    throw new Problem('media_not_found');
  }
  return row;
}
