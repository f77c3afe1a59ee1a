/** One media by the id in a route's path. */
import { z } from 'zod';
import type { Catalogue } from '../../../catalogue/catalogue.ts';
import type { MediaRow } from '../../../catalogue/media/row.ts';
import { ID_PATTERN } from '../../../media.ts';
import type { Principal } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';

export const mediaIdParams = z.object({ id: z.string().regex(ID_PATTERN, 'is not an id of a media') });

/** Throws Problem media_not_found, for media of accounts out of reach as well: their existence is nobody's business. */
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
