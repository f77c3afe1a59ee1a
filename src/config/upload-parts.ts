/** How large objects are uploaded, and how much memory one upload needs. */

export interface UploadParts {
  /** A body of known length up to this size is sent with one PUT; a larger one is cut into parts of this size. */
  readonly partSizeBytes: number;
  readonly partsInFlight: number;
}

export const UPLOAD_PARTS: UploadParts = { partSizeBytes: 8 * 1024 * 1024, partsInFlight: 2 };

/** The maximum number of parts in one multipart upload of S3. */
export const MAX_PARTS = 10_000;

/** The last chunks of a body overlap with the part that is being cut from them. */
const CHUNK_OVERLAP_BYTES = 128 * 1024;

/**
 * Returns how many bytes an upload may have in memory at most. They must be reserved before the bytes are requested. A
 * multipart upload has the parts in flight and the part that is being filled. `lengthBytes` is undefined if it is not
 * known yet.
 */
export function uploadMemoryBytes(
  lengthBytes: number | undefined,
  { partSizeBytes, partsInFlight }: UploadParts = UPLOAD_PARTS,
): number {
  if (lengthBytes === undefined || lengthBytes > partSizeBytes) return (partsInFlight + 1) * partSizeBytes;
  return lengthBytes + CHUNK_OVERLAP_BYTES;
}
