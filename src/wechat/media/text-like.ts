/** Whether bytes are a page, an error or a text instead of a file. Used where no Content-Disposition names a file. */

/** Of no known format and shorter than this: no picture, voice, video or document is. WeCom refuses 5 bytes itself. */
const MIN_FILE_BYTES = 64;
/** Long magics, which no page and no error begins with. Short ones (`BM`, `ID3`, `MZ`) also begin words. */
const LONG_MAGIC = /^(?:#!AMR|\x02?#!SILK_V3|Speex {3}|%PDF-\d|GIF8[79]a)/;
const MARKUP = /^<[a-z!?/]/i;
const JSON_LIKE = /^(?:\{\s*(?:["'}]|$)|\[\s*(?:[[{"\d\]tfn-]|$))/;
/** C0 without white space and escape, which some charsets for Chinese use. Bytes of media hold many of them. */
const CONTROL = /[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]/;

/**
 * The text of `head` by its byte order mark; UTF-16 without a mark is recognised by the zeros of its ASCII characters.
 * Otherwise every byte is one character, so that UTF-8, GBK and all others keep their ASCII characters in place.
 */
export function textOf(head: Uint8Array): string {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return bytes.toString('utf16le', 2);
  if (first === 0xfe && second === 0xff) return bigEndian(bytes.subarray(2));
  if (isEveryOther(bytes, 1)) return bytes.toString('utf16le');
  if (isEveryOther(bytes, 0)) return bigEndian(bytes);
  return bytes.toString('latin1').replace(/^\xef\xbb\xbf/, '');
}

/**
 * Whether `head` is markup, like JSON (whole or cut), nothing but printable characters in any charset, only white
 * space, or a handful of bytes. `isKnown`: the bytes have the magic of a format.
 */
export function isTextLike(head: Uint8Array, is: { isWhole: boolean; isKnown: boolean }): boolean {
  // Servers written in C are known to send the zero that ends their strings.
  const text = textOf(head).replace(/\0+$/, '');
  if (LONG_MAGIC.test(text)) return false;
  const start = text.trimStart();
  if (start === '' || MARKUP.test(start) || JSON_LIKE.test(start)) return true;
  if (!is.isKnown && is.isWhole && head.length < MIN_FILE_BYTES) return true;
  // As bytes, 0xff and 0xfe occur in no charset for text; every JPEG and every frame of MP3 begins with them.
  return !CONTROL.test(text) && !/[\xfe\xff]/.test(text) && text.isWellFormed();
}

/** Whether the first 32 bytes are zero at every other place, and printable ASCII between. */
function isEveryOther(bytes: Buffer, place: 0 | 1): boolean {
  if (bytes.length < 4) return false;
  return bytes
    .subarray(0, 32)
    .every((byte, index) =>
      index % 2 === place ? byte === 0 : /[\t\n\r -~]/.test(String.fromCharCode(byte)),
    );
}

/** An odd last byte is half of a character. */
const bigEndian = (bytes: Buffer): string =>
  Buffer.from(bytes.subarray(0, bytes.length & ~1))
    .swap16()
    .toString('utf16le');
