/** How large objects are uploaded, and how much memory one upload takes. */

export interface UploadParts {
  /** A body of known length up to this is one PUT; a larger one is cut into parts of this size. */
  readonly partSizeBytes: number;
  readonly partsInFlight: number;
}

export const UPLOAD_PARTS: UploadParts = { partSizeBytes: 8 * 1024 * 1024, partsInFlight: 2 };

/** S3's limit of parts in one multipart upload. */
export const MAX_PARTS = 10_000;

/** The last chunks of a body overlap with the part that is being cut from them. */
const CHUNK_OVERLAP_BYTES = 128 * 1024;

/**
 * Returns the bytes that an upload may hold at most, to be reserved before the bytes are asked for. A multipart upload
 * holds the parts in flight and the one being filled. `lengthBytes` is undefined where it is not known yet.
 */
export function uploadMemoryBytes(
  lengthBytes: number | undefined,
  { partSizeBytes, partsInFlight }: UploadParts = UPLOAD_PARTS,
): number {
  if (lengthBytes === undefined || lengthBytes > partSizeBytes) return (partsInFlight + 1) * partSizeBytes;
  return lengthBytes + CHUNK_OVERLAP_BYTES;
}
