/** Recognises pages, errors and texts that were sent instead of a file, when no Content-Disposition names a file. */

/**
 * A shorter body of an unknown format is not a file: no picture, voice, video or document is that short. WeCom itself
 * refuses files of 5 bytes.
 */
const MIN_FILE_BYTES = 64;
/**
 * Long magic numbers. No page and no error begins with one of them. Short magic numbers (`BM`, `ID3`, `MZ`) can also be
 * the beginning of a word.
 */
const LONG_MAGIC = /^(?:#!AMR|\x02?#!SILK_V3|Speex {3}|%PDF-\d|GIF8[79]a)/;
const MARKUP = /^<[a-z!?/]/i;
const JSON_LIKE = /^(?:\{\s*(?:["'}]|$)|\[\s*(?:[[{"\d\]tfn-]|$))/;
/**
 * C0 controls except white space and escape, which some Chinese charsets use. Media files contain many of these bytes.
 */
const CONTROL = /[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]/;

/**
 * Decodes `head` by its byte order mark. UTF-16 without a mark is recognised by the zero bytes of its ASCII
 * characters. Otherwise every byte becomes one character, so that ASCII characters stay in place in UTF-8, GBK and all
 * other charsets.
 */
export function textOf(head: Uint8Array): string {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return bytes.toString('utf16le', 2);
  if (first === 0xfe && second === 0xff) return decodeBigEndian(bytes.subarray(2));
  if (hasZerosAt(bytes, 1)) return bytes.toString('utf16le');
  if (hasZerosAt(bytes, 0)) return decodeBigEndian(bytes);
  return bytes.toString('latin1').replace(/^\xef\xbb\xbf/, '');
}

/**
 * Whether `head` is markup, JSON (complete or cut), printable characters in any charset, white space, or too short for
 * a file. `isKnown`: whether the bytes have the magic number of a format or were sent as an attachment.
 */
export function isTextLike(head: Uint8Array, is: { isWhole: boolean; isKnown: boolean }): boolean {
  // Servers written in C sometimes send the zero byte that ends their strings.
  const text = textOf(head).replace(/\0+$/, '');
  if (LONG_MAGIC.test(text)) return false;
  const start = text.trimStart();
  if (start === '' || MARKUP.test(start) || JSON_LIKE.test(start)) return true;
  if (!is.isKnown && is.isWhole && head.length < MIN_FILE_BYTES) return true;
  // The bytes 0xff and 0xfe occur in no text charset; every JPEG and every MP3 frame begins with 0xff.
  return !CONTROL.test(text) && !/[\xfe\xff]/.test(text) && text.isWellFormed();
}

/** Whether every second of the first 32 bytes, starting at `offset`, is zero and all others are printable ASCII. */
function hasZerosAt(bytes: Buffer, offset: 0 | 1): boolean {
  if (bytes.length < 4) return false;
  return bytes
    .subarray(0, 32)
    .every((byte, index) =>
      index % 2 === offset ? byte === 0 : /[\t\n\r -~]/.test(String.fromCharCode(byte)),
    );
}

/** Decodes UTF-16 BE. An odd last byte is half a character and is ignored. */
const decodeBigEndian = (bytes: Buffer): string =>
  Buffer.from(bytes.subarray(0, bytes.length & ~1))
    .swap16()
    .toString('utf16le');
