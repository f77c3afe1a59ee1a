/** What was promised: the items of callbacks whose response was `success`. */
import { digestKey, type Evidence } from './evidence.ts';

export interface AcceptedMedia {
  readonly account: string;
  readonly mediaId: string;
  /** When the first response was `success`, in milliseconds of the epoch. */
  readonly at: number;
  readonly sentAt: number;
}

/** By {@link digestKey}, each once. */
export function acceptedOf({ sent }: Pick<Evidence, 'sent'>): ReadonlyMap<string, AcceptedMedia> {
  const accepted = new Map<string, AcceptedMedia>();
  for (const { account, mediaIds, accepted: isAccepted, at, sentAt } of sent) {
    if (!isAccepted) continue;
    for (const mediaId of mediaIds) {
      const key = digestKey(account, mediaId);
      accepted.set(key, { account, mediaId, sentAt, at: Math.min(at, accepted.get(key)?.at ?? at) });
    }
  }
  return accepted;
}

/** Faults that break the file for as long as they last. */
const BREAKS_FILE = new Set(['shortBody', 'lengthTooLarge', 'lengthTooSmall', 'stall', 'html200', 'http502']);

/** Media that WeChat never served, whatever was tried: an id it does not know, a file that is always cut. */
export function unservedOf({ sent }: Pick<Evidence, 'sent'>): ReadonlySet<string> {
  const unserved = sent.filter(
    ({ fault }) => fault && (fault.name === 'invalid' || (BREAKS_FILE.has(fault.name) && !fault.times)),
  );
  // The behaviour is that of the message's own media; thumbs are always good.
  return new Set(
    unserved.flatMap(({ account, mediaIds }) => (mediaIds[0] ? [digestKey(account, mediaIds[0])] : [])),
  );
}
