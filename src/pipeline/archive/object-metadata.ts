/** The metadata of an object, written and read: with it a bucket alone rebuilds the catalogue. */
import type { FoundObject } from '../../catalogue/verification/objects.ts';
import { idOf, type Reference, referenceSchema, SOURCES, type Source, timestamp } from '../../media.ts';
import type { StoredObject } from '../../storage/stored-object.ts';

/** Stored as x-amz-meta-wma-*. Without openId: an erasure may not reach every copy of an object. */
export function metadataOf(id: string, reference: Reference, source: Source): Record<string, string> {
  return {
    id,
    account: reference.account,
    mediaId: reference.mediaId,
    kind: reference.kind,
    sentAt: reference.sentAt.toISOString(),
    source,
    ...(reference.msgId ? { msgId: reference.msgId } : {}),
  };
}

const metadataSchema = referenceSchema.pick({ account: true, mediaId: true, msgId: true }).extend({
  kind: referenceSchema.shape.kind,
  sentAt: timestamp,
});

/** Returns the id in an object's key; undefined for keys of another form. */
export function idOfKey(key: string): string | undefined {
  return /(?:^|\/)(m_[0-9a-f]{32})(?:-pic)?\.[A-Za-z0-9]{1,16}$/.exec(key)?.[1];
}

/** A found object without its digest, which not every object has in its metadata. */
export type DescribedObject = Omit<FoundObject, 'stored'> & { stored: Omit<FoundObject['stored'], 'sha256'> };

/** Describes an object by its metadata. A text is the reason why it cannot be one of ours. */
export function describeObject(
  at: { bucket: string; key: string; modifiedAt?: Date | undefined },
  object: Omit<StoredObject, 'sha256'>,
): DescribedObject | string {
  const { metadata } = object;
  const { id } = metadata;
  if (id === undefined) return 'it carries no metadata of this program';
  const parsed = metadataSchema.safeParse({
    account: metadata.account,
    mediaId: metadata.mediaid,
    kind: metadata.kind,
    sentAt: metadata.sentat,
    msgId: metadata.msgid,
  });
  if (!parsed.success)
    return `its metadata is malformed: ${parsed.error.issues.map(({ path }) => path.join('.')).join(', ')}`;
  const { data: reference } = parsed;
  if (idOf(reference.account, reference.mediaId) !== id)
    return 'its id is not that of its account and media id';
  if (idOfKey(at.key) !== id) return 'its key is that of another media item';
  const source = SOURCES.find((one) => one === metadata.source);
  return {
    id,
    reference,
    storedAt: at.modifiedAt,
    stored: {
      bucket: at.bucket,
      objectKey: at.key,
      sizeBytes: object.sizeBytes,
      contentType: object.contentType ?? 'application/octet-stream',
      fileName: object.fileName,
      source: source ?? (at.key.includes(`${id}-pic.`) ? 'pic_url' : 'media_get'),
      lengthVerified: true,
    },
  };
}
