/** The headers an object is stored with. Values are ASCII: undici and half of the vendors refuse anything else. */
import { create as createContentDisposition, parse as parseContentDisposition } from 'content-disposition';
import { failure } from '../../failures.ts';
import type { BufferedResponse } from '../http/signed-request.ts';

export interface ObjectHeaders {
  readonly contentType: string;
  readonly contentDisposition: 'inline' | 'attachment';
  readonly fileName?: string;
  /** `mediaId` becomes x-amz-meta-wma-mediaid: header names have no case. */
  readonly metadata: Readonly<Record<string, string>>;
}

const META_PREFIX = 'wma-';
const META_HEADER = `x-amz-meta-${META_PREFIX}`;
/** In characters; encoded, so many stay under 2 KB. */
const MAX_NAME_LENGTH = 180;

/**
 * Returns `attachment; filename="____.jpg"; filename*=UTF-8''…`. Control characters and path separators become `_`,
 * because the name was typed by a user.
 */
export function contentDispositionOf(type: ObjectHeaders['contentDisposition'], fileName?: string): string {
  if (!fileName) return type;
  const clean = fileName.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f/\\]/g, '_');
  const name = clean.length > MAX_NAME_LENGTH ? [...clean].slice(0, MAX_NAME_LENGTH).join('') : clean;
  return createContentDisposition(name, {
    type,
    fallback: name.replace(/[^\u0020-\u007e]/gu, '_'),
  });
}

/** Returns user metadata as S3 stores it: names in lower case with the prefix `wma-`, values percent-encoded. */
export function metadataOf(
  metadata: Readonly<Record<string, string>>,
  prefix = META_PREFIX,
): Record<string, string> {
  const encoded: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata))
    encoded[prefix + name.toLowerCase()] = encodeURIComponent(value.toWellFormed());
  return encoded;
}

/** Shared caches must not store what a link opened for one person. */
export const CACHE_CONTROL = 'private';

/** Returns the headers of a plain PUT. */
export function headersOf(object: ObjectHeaders): Record<string, string> {
  return {
    'content-type': object.contentType,
    'content-disposition': contentDispositionOf(object.contentDisposition, object.fileName),
    'cache-control': CACHE_CONTROL,
    ...metadataOf(object.metadata, META_HEADER),
  };
}

/** Returns the x-amz-meta-wma-* headers of a response, decoded, under lower-case names. */
export function readMetadata(headers: Readonly<Record<string, string>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (name.startsWith(META_HEADER)) found[name.slice(META_HEADER.length)] = decode(value);
  return found;
}

/** Returns the file name that {@link contentDispositionOf} was given, with the replaced characters. */
export function fileNameOf(contentDisposition: string | undefined): string | undefined {
  try {
    return contentDisposition && parseContentDisposition(contentDisposition).parameters.filename;
  } catch {
    return undefined;
  }
}

/**
 * Returns the ETag, which every store gives for what it has stored. A 200 without one comes from a website or a captive
 * portal.
 */
export function etagOf({ status, headers }: BufferedResponse): string {
  const { etag } = headers;
  if (!etag || etag.startsWith('W/') || headers['content-type']?.startsWith('text/html'))
    throw failure('store_not_s3', `HTTP ${status} and no ETag of an object`);
  return etag;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
