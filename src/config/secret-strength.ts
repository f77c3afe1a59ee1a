/** Whether a secret is long enough, and random enough, that nobody guesses it however long he tries. */

/** What production asks of a secret of API_KEYS. */
export const STRONG_BITS = 128;

/** By what a generator makes: `openssl rand -hex`, `-base64`, a password of letters and digits, any printable text. */
const ALPHABETS: readonly (readonly [RegExp, number])[] = [
  [/^[0-9]+$/, 10],
  [/^([0-9a-f-]+|[0-9A-F-]+)$/, 16],
  [/^([a-z]+|[A-Z]+)$/, 26],
  [/^([a-z0-9]+|[A-Z0-9]+)$/, 36],
  // Letters of both cases are base64 that happens to hold no digit.
  [/^[A-Za-z0-9]+$/, 62],
  [/^[A-Za-z0-9+/_-]+$/, 64],
];
const PRINTABLE = 94;
/** Of a list of 7,776 words, as for passphrases rolled with dice. */
const WORD_BITS = Math.log2(7_776);

/**
 * How many bits of randomness a text has at most, by its length and its characters. Runs (aaaa, 1234, dcba), repeated
 * pieces and words count for little. An estimate that a random text passes, not a proof that a text is random.
 */
export function bitsOf(secret: string): number {
  const text = secret.replace(/=+$/, '');
  const parts = text.split(/[-_.]/);
  if (parts.length > 1 && parts.every((part) => /^(\p{L}?\p{Ll}+|\p{Lu}+)$/u.test(part)))
    return parts.reduce((sum, part) => sum + Math.min(WORD_BITS, bitsOf(part)), 0);
  const size = ALPHABETS.find(([pattern]) => pattern.test(text))?.[1] ?? PRINTABLE;
  // The dashes of a UUID say nothing.
  const characters = size === 16 ? text.replaceAll('-', '') : text;
  const fresh = freshCharacters(characters);
  // A random text has a run or a repetition now and then; it loses nothing by it.
  return (fresh >= characters.length * 0.75 ? characters.length : fresh) * Math.log2(size);
}

/** Characters that neither continue a run nor a piece that stood in the text before. */
function freshCharacters(text: string): number {
  let fresh = 0;
  for (let index = 0; index < text.length; index++) {
    const step = text.charCodeAt(index) - text.charCodeAt(index - 1);
    const stepBefore = text.charCodeAt(index - 1) - text.charCodeAt(index - 2);
    const isRun = step === stepBefore && Math.abs(step) <= 1;
    const piece = text.slice(index - 2, index + 1);
    const isRepeated = index > 2 && text.indexOf(piece) < index - 2;
    if (!isRun && !isRepeated) fresh++;
  }
  return fresh;
}
