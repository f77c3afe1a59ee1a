/** Keeping secrets in: what must never reach a log line, an error, a row or a page is cut out here. */

const RULES: readonly (readonly [RegExp, string])[] = [
  // Query parameters: WeChat's tokens and secrets, S3's presigned signatures, callback signatures, one-time links.
  [
    /([?&"'\s\\]|^)((?:access_token|component_access_token|authorizer_access_token|corpsecret|secret|appsecret|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|Signature|signature|msg_signature|vkey|ticket|key)=)[^&\s"'\\<>]+/gi,
    '$1$2[redacted]',
  ],
  // JSON members, also inside an escaped string.
  [
    /(\\?"(?:access_token|secret|appsecret|corpsecret|token|encodingAesKey|refresh_token|authorization|cookie|set-cookie|password)\\?"\s*:\s*\\?")(?:[^"\\]|\\[^"])+/gi,
    '$1[redacted]',
  ],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, '$1 [redacted]'],
  [/(Credential=|Signature=)[^,\s"]+/g, '$1[redacted]'],
  // user:password@host in database and queue URLs.
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@"]*:)[^@/\s"]+@/gi, '$1[redacted]@'],
];

/** Cuts what looks like a secret out of a text. Idempotent. */
export function scrub(text: string): string {
  let result = text;
  for (const [pattern, replacement] of RULES) result = result.replace(pattern, replacement);
  return result;
}

/** A {@link scrub} that also knows the configured secrets to the letter. Values under 6 characters are ignored. */
export function createScrubber(known: readonly string[]): (text: string) => string {
  const values = known.filter((value) => value.length >= 6).sort((a, b) => b.length - a.length);
  return (text) => {
    let result = scrub(text);
    for (const value of values) if (result.includes(value)) result = result.replaceAll(value, '[redacted]');
    return result;
  };
}
