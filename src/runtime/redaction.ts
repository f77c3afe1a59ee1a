/** Removes secrets from texts that go into log lines, errors, rows and pages. */

/** The endings of names of secrets: `access_token`, `X-Amz-Security-Token`, `corpsecret`, `S3_SECRET_ACCESS_KEY`, … */
const NAMED = '(?:token|secret|access_?key|api_?key|aes_?key|password|authorization|cookie)';

/** Names that occur only as parameters: presigned links, callback signatures, video links. */
const SIGNED = '(?:signature|credential|ticket|vkey|(?:[?&]|%3F|%26)key)';

const RULES: readonly (readonly [RegExp, string])[] = [
  // name=value in queries, forms, environments and AWS4-HMAC-SHA256 headers; also percent-encoded inside a query.
  [
    new RegExp(`((?:${NAMED}|${SIGNED})(?:=|%3D)\\\\*["']?)(?:(?!%26)[^&\\s"'\\\\<>])+`, 'gi'),
    '$1[redacted]',
  ],
  // "name":"value", also if the JSON was quoted again. Ends at a quote with as many backslashes as the opening one, or
  // at a bare quote if the text was cut in between.
  [
    new RegExp(`(${NAMED}\\\\*["']?\\s*:\\s*)(\\\\*")[^\\n]*?(?=(?<!\\\\)(?:\\2|")|$)`, 'gi'),
    '$1$2[redacted]',
  ],
  // name: 'value', as util.inspect prints it.
  [new RegExp(`(${NAMED}["']?\\s*:\\s*')[^'"\\\\\\n]+`, 'gi'), '$1[redacted]'],
  // Headers: several cookies in a list, and as text.
  [/(cookie\\*["']?\s*:\s*)\[\s*\\*["'][^[\]\n]*\]/gi, '$1[]'],
  [/((?:authorization|cookie):\s*)[^\s"'\\[][^"'\\\n]*/gi, '$1[redacted]'],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, '$1 [redacted]'],
  // user:password@host in database and queue URLs. The match ends at the last @, because an @ in a password is often
  // not encoded.
  [/(:\/\/[^/\s:@"]*:)[^\s"'\\<>]{1,512}@/g, '$1[redacted]@'],
];

/** Replaces text that looks like a secret by `[redacted]`. Idempotent. */
export function redact(text: string): string {
  let result = text;
  for (const [pattern, replacement] of RULES) result = result.replace(pattern, replacement);
  return result;
}

/**
 * Returns a function that does the same as {@link redact} and also replaces the known secrets. Secrets under 6
 * characters are ignored.
 */
export function createRedactor(known: readonly string[]): (text: string) => string {
  const spellings = new Set(known.filter((value) => value.length >= 6).flatMap(spellingsOf));
  const values = [...spellings].sort((a, b) => b.length - a.length);
  return (text) => {
    let result = redact(text);
    for (const value of values) if (result.includes(value)) result = result.replaceAll(value, '[redacted]');
    return result;
  };
}

/** Returns the spellings of a value in a text, in JSON, in JSON inside JSON, and in a URL. */
function spellingsOf(value: string): string[] {
  const quoted = JSON.stringify(value).slice(1, -1);
  return [value, quoted, JSON.stringify(quoted).slice(1, -1), encodeURIComponent(value.toWellFormed())];
}
