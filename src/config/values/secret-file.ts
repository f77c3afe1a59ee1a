/** Reads a secret from the content of a file that was written by an editor, `echo` or Windows. */

/**
 * Returns the secret without surrounding white space, line breaks and byte order mark. `wrong` continues "… cannot be
 * used: the file".
 */
export function secretIn(content: string): { secret: string } | { wrong: string } {
  // trim() also removes the byte order mark.
  const secret = content.trim();
  if (secret === '') return { wrong: 'is empty' };
  // The format that Windows calls Unicode is UTF-16, in which no secret is written.
  if (/[\0\uFFFD]/.test(secret)) return { wrong: 'is not UTF-8 text' };
  return { secret };
}
