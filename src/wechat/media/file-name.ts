/** The name WeChat gives a file, for people to read. Never part of a path or a key. */
import { parse } from 'content-disposition';

const MAX_LENGTH = 255;

/**
 * The file name in a Content-Disposition header, or undefined. Met in the wild: `filename*` first with a lower-case
 * charset, UTF-8 bytes in a plain `filename`, full-width brackets, an empty base name (`.amr`), none at all.
 */
export function parseFileName(contentDisposition: string | undefined): string | undefined {
  if (contentDisposition === undefined) return undefined;
  const name = parameterOf(contentDisposition);
  return name === undefined ? undefined : tidy(name);
}

function parameterOf(header: string): string | undefined {
  // Undecoded, since the decoding below takes charsets in any case and passes over what is broken.
  const { parameters } = parse(header, { extended: false });
  const extended = decodeExtended(parameters['filename*']);
  if (extended !== undefined) return extended;
  // Without a disposition type in front the library finds no parameters.
  const plain = parameters.filename ?? /filename\s*=\s*"?([^";]*)/i.exec(header)?.[1];
  return plain === undefined ? undefined : repair(plain);
}

/** `utf-8''%E6%B5%8B.xlsx` (RFC 5987); another charset or broken escapes leave it to the plain parameter. */
function decodeExtended(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.+)$/i.exec(value ?? '')?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** Header bytes arrive as latin1 characters; where they are UTF-8, this is what was meant. */
function repair(value: string): string {
  if (!/[\x80-\xff]/.test(value) || /[^\0-\xff]/.test(value)) return value;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/** Path parts, control and direction characters out; at most 255 characters, the extension kept. */
function tidy(name: string): string | undefined {
  const base = name.toWellFormed().split(/[/\\]/).at(-1)!;
  const clean = base.replace(/[\p{Cc}\p{Cf}\uFFFD]/gu, '').trim();
  if (clean === '' || /^\.+$/.test(clean)) return undefined;
  const characters = [...clean];
  if (characters.length <= MAX_LENGTH) return clean;
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(clean)?.[0] ?? '';
  return characters.slice(0, MAX_LENGTH - extension.length).join('') + extension;
}
