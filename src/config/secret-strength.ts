/** Estimates whether a secret is so long and random that it cannot be guessed. */
import type { ApiKey } from './api-keys.ts';
import type { ReportMistake } from './values/environment.ts';

/** The minimum for a secret of API_KEYS in production. */
export const STRONG_BITS = 128;

/** The alphabets of common generators: `openssl rand -hex`, `-base64`, a password of letters and digits, any printable text. */
const ALPHABETS: readonly (readonly [RegExp, number])[] = [
  [/^[0-9]+$/, 10],
  [/^([0-9a-f-]+|[0-9A-F-]+)$/, 16],
  [/^([a-z]+|[A-Z]+)$/, 26],
  [/^([a-z0-9]+|[A-Z0-9]+)$/, 36],
  // Letters of both cases may be base64 that happens to contain no digit.
  [/^[A-Za-z0-9]+$/, 62],
  [/^[A-Za-z0-9+/_-]+$/, 64],
];
const PRINTABLE = 94;
/** The bits of one word out of 7,776, as in diceware passphrases. */
const WORD_BITS = Math.log2(7_776);

/**
 * Returns an upper estimate of a text's entropy in bits, by its length and characters. Runs (aaaa, 1234, dcba),
 * repeated pieces and words add little. Every random text passes, but a text that passes need not be random.
 */
export function entropyBits(secret: string): number {
  const text = secret.replace(/=+$/, '');
  const parts = text.split(/[-_.]/);
  if (parts.length > 1 && parts.every((part) => /^(\p{L}?\p{Ll}+|\p{Lu}+)$/u.test(part)))
    return parts.reduce((sum, part) => sum + Math.min(WORD_BITS, entropyBits(part)), 0);
  const size = ALPHABETS.find(([pattern]) => pattern.test(text))?.[1] ?? PRINTABLE;
  // The dashes of a UUID add no entropy.
  const characters = size === 16 ? text.replaceAll('-', '') : text;
  const fresh = freshCharacters(characters);
  // A random text sometimes contains a short run or repetition, which must not reduce its estimate.
  return (fresh >= characters.length * 0.75 ? characters.length : fresh) * Math.log2(size);
}

/** Counts the characters that do not continue a run or a piece that occurred before. */
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

/**
 * Reports keys that can be guessed. In production this is a mistake, because every client that reaches the port can try
 * keys.
 */
export function refuseWeakKeys(keys: readonly ApiKey[], report: ReportMistake): void {
  keys.forEach(({ secret }, index) => {
    if (entropyBits(secret) >= STRONG_BITS) return;
    report(
      'API_KEYS',
      `entry ${index + 1}: in production a secret must be random and have ${STRONG_BITS} bits, such as 32 hexadecimal digits or 22 letters and digits; create one with: openssl rand -hex 32`,
    );
  });
}
