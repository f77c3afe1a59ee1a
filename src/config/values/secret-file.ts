/** A secret out of a file, as editors, `echo` and Windows leave it there. */

/** Without white space, line breaks and a byte order mark around it; `wrong` continues "… cannot be used: the file". */
export function secretIn(content: string): { secret: string } | { wrong: string } {
  // trim() takes the byte order mark too.
  const secret = content.trim();
  if (secret === '') return { wrong: 'is empty' };
  // What Windows calls Unicode is UTF-16, and not what any secret is.
  if (/[\0\uFFFD]/.test(secret)) return { wrong: 'is not UTF-8 text' };
  return { secret };
}
