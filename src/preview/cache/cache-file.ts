/**
 * The name of a file in the cache. It has everything that is known of the preview, so that the folder needs no index: it
 * survives restarts, and a file that does not fit its name is not served.
 */
import { ID_PATTERN } from '../../media.ts';

export interface CacheFile {
  /** The item's id. */
  readonly id: string;
  /** Which file it was made from, and by which release of the converters. */
  readonly version: string;
  readonly sizeBytes: number;
  /** The first 32 hexadecimal digits of the sha256 of the preview. */
  readonly digest: string;
  readonly extension: string;
}

const PATTERN = /^(m_[0-9a-f]{32})\.([0-9a-f-]{1,80})\.(\d{1,12})\.([0-9a-f]{32})\.([a-z]{1,8})$/;

export const cacheFileName = ({ id, version, sizeBytes, digest, extension }: CacheFile): string =>
  `${id}.${version}.${sizeBytes}.${digest}.${extension}`;

/** Returns undefined for names of other files, such as those that a crash left half written. */
export function parseCacheFileName(name: string): CacheFile | undefined {
  const [, id, version, size, digest, extension] = PATTERN.exec(name) ?? [];
  if (!id || !version || !size || !digest || !extension || !ID_PATTERN.test(id)) return undefined;
  return { id, version, sizeBytes: Number(size), digest, extension };
}
