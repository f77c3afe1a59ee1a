/** Whether an item has a file, and the problem that says why it has none. */
import type { MediaRow } from '../../../catalogue/media/row.ts';
import type { MediaJson } from '../../../pipeline/views/media.ts';
import { Problem } from '../../problem.ts';

type ArchivedRow = MediaRow & { readonly objectKey: string };

const isArchived = (row: MediaRow): row is ArchivedRow =>
  row.status === 'archived' && row.objectKey !== undefined;

/**
 * Returns the row of an archived item. Throws Problem `not_archived` for a pending item and `media_gone` for a dead,
 * expired or erased one, with the status and the failure as the client reads it.
 */
export function requireArchived(row: MediaRow, { failure, waiting }: MediaJson): ArchivedRow {
  if (isArchived(row)) return row;
  const more = { mediaStatus: row.status, ...(failure ? { failure } : {}) };
  if (row.status === 'pending')
    throw new Problem('not_archived', { more: { ...more, waiting }, retryAfterSeconds: 5 });
  throw new Problem('media_gone', { more });
}
