/** What a HEAD request returns about a stored object. */

export interface StoredObject {
  readonly sizeBytes: number;
  readonly contentType: string | undefined;
  readonly fileName: string | undefined;
  /** Hex. Only objects put in one piece carry it: the store verified it when it was put. */
  readonly sha256: string | undefined;
  /** Random id of the multipart upload that wrote the object; undefined for an object put in one piece. */
  readonly mark: string | undefined;
  /** The other x-amz-meta-wma-* headers, decoded, under lower-case names. */
  readonly metadata: Readonly<Record<string, string>>;
}
