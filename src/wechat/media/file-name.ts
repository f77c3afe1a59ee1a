/**
 * Reads the name of a file from Content-Disposition. The name is only displayed. It is never part of a path or a key.
 */
import { parse } from 'content-disposition';

const MAX_LENGTH = 255;

/**
 * Returns the file name in a Content-Disposition header, or undefined. WeChat sends all of these: `filename*` first
 * with a lower-case charset, UTF-8 bytes in a plain `filename`, full-width brackets, an empty base name (`.amr`), no
 * name.
 */
export function parseFileName(contentDisposition: string | undefined): string | undefined {
  if (contentDisposition === undefined) return undefined;
  const name = fileNameParameter(contentDisposition);
  return name === undefined ? undefined : sanitize(name);
}

function fileNameParameter(header: string): string | undefined {
  // The library does not decode it, because the decoder below accepts charsets in any case and ignores broken values.
  const { parameters } = parse(header, { extended: false });
  const extended = decodeExtended(parameters['filename*']);
  if (extended !== undefined) return extended;
  // The library finds no parameters if the disposition type is missing.
  const plain = parameters.filename ?? /filename\s*=\s*"?([^";]*)/i.exec(header)?.[1];
  return plain === undefined ? undefined : decodeUtf8(plain);
}

/** Decodes `utf-8''%E6%B5%8B.xlsx` (RFC 5987). Returns undefined for another charset or broken escapes. */
function decodeExtended(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.+)$/i.exec(value ?? '')?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** Decodes the text as UTF-8 if it is valid UTF-8, because header bytes arrive as latin1 characters. */
function decodeUtf8(value: string): string {
  if (!/[\x80-\xff]/.test(value) || /[^\0-\xff]/.test(value)) return value;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/**
 * Removes path parts, control characters and direction characters. Cuts the name to 255 characters without losing the
 * extension.
 */
function sanitize(name: string): string | undefined {
  const base = name.toWellFormed().split(/[/\\]/).at(-1)!;
  const clean = base.replace(/[\p{Cc}\p{Cf}\uFFFD]/gu, '').trim();
  if (clean === '' || /^\.+$/.test(clean)) return undefined;
  const characters = [...clean];
  if (characters.length <= MAX_LENGTH) return clean;
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(clean)?.[0] ?? '';
  return characters.slice(0, MAX_LENGTH - extension.length).join('') + extension;
}
