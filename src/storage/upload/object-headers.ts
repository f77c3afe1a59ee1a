/** The headers an object is stored with. Values are ASCII: undici and half the vendors refuse anything else. */
import { create as createDisposition, parse as parseDisposition } from 'content-disposition';

export interface ObjectHeaders {
  readonly contentType: string;
  readonly disposition: 'inline' | 'attachment';
  readonly fileName?: string;
  /** `mediaId` becomes x-amz-meta-wma-mediaid: header names have no case. */
  readonly metadata: Readonly<Record<string, string>>;
}

const META_PREFIX = 'wma-';
const META_HEADER = `x-amz-meta-${META_PREFIX}`;
/** In characters, which stay under 2 KB encoded. */
const MAX_NAME_LENGTH = 180;

/** `attachment; filename="____.jpg"; filename*=UTF-8''…` – control characters and path separators are cut out. */
export function dispositionOf(disposition: ObjectHeaders['disposition'], fileName?: string): string {
  if (!fileName) return disposition;
  // A name is what a stranger typed.
  const clean = fileName.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f/\\]/g, '_');
  const name = clean.length > MAX_NAME_LENGTH ? [...clean].slice(0, MAX_NAME_LENGTH).join('') : clean;
  return createDisposition(name, { type: disposition, fallback: name.replace(/[^\u0020-\u007e]/gu, '_') });
}

/** User metadata as S3 keeps it: name with `wma-` in lower case, value percent-encoded. */
export function metadataOf(
  metadata: Readonly<Record<string, string>>,
  prefix = META_PREFIX,
): Record<string, string> {
  const encoded: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata))
    encoded[prefix + name.toLowerCase()] = encodeURIComponent(value.toWellFormed());
  return encoded;
}

/** Shared caches must not keep what a link opened for one person. */
export const CACHE_CONTROL = 'private';

/** For a plain PUT. */
export function headersOf(object: ObjectHeaders): Record<string, string> {
  return {
    'content-type': object.contentType,
    'content-disposition': dispositionOf(object.disposition, object.fileName),
    'cache-control': CACHE_CONTROL,
    ...metadataOf(object.metadata, META_HEADER),
  };
}

/** The way back: x-amz-meta-wma-* of an answer, decoded, under lower-case names. */
export function readMetadata(headers: Readonly<Record<string, string>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (name.startsWith(META_HEADER)) found[name.slice(META_HEADER.length)] = decode(value);
  return found;
}

/** The file's name as it was given to {@link dispositionOf}, but for what had to be cut out of it. */
export function fileNameOf(disposition: string | undefined): string | undefined {
  try {
    return disposition && parseDisposition(disposition).parameters.filename;
  } catch {
    return undefined;
  }
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
