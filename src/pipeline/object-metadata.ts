/** What an object says of itself. */
import type { Reference } from '../media.ts';

/** What lets a bucket alone rebuild the catalogue. No openId: objects outlive an erasure request's reach. */
export function metadataOf(id: string, reference: Reference): Record<string, string> {
  return {
    'wma-id': id,
    'wma-account': reference.account,
    'wma-mediaid': reference.mediaId,
    'wma-kind': reference.kind,
    'wma-sentat': reference.sentAt.toISOString(),
    ...(reference.msgId ? { 'wma-msgid': reference.msgId } : {}),
  };
}
