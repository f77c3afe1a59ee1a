/**
 * Makes untrusted values fit their columns. Postgres refuses NUL and lone surrogates in text, their escapes in JSON,
 * and numbers outside the range of the column. The statement that then fails is often the one that records a failure.
 */
/** The range of a Postgres `integer`. */
const INT4_MAX = 2 ** 31 - 1;
const INT4_MIN = -(2 ** 31);

/** Removes the characters that Postgres refuses. */
export function storableText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '') : text).toWellFormed();
}

/** Returns one line of at most `max` characters. Control characters become spaces. */
export function storableLine(text: string, max: number): string {
  return storableText(text)
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, max)
    .toWellFormed();
}

/** Returns JSON that `json` and `jsonb` accept: every string and every name in it is storable. */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value);
  // A fast path: most values contain none of these escapes.
  if (!/\\u(?:0000|d[89a-f])/i.test(text)) return text;
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member === 'string') return storableText(member);
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).map(([name, inner]) => [storableText(name), inner]));
  });
}

export const isInt4 = (value: number): boolean =>
  Number.isInteger(value) && value >= INT4_MIN && value <= INT4_MAX;

/** Returns the nearest integer that fits a Postgres `integer`; 0 for NaN. */
export function toInt4(value: number): number {
  return Number.isNaN(value) ? 0 : Math.min(INT4_MAX, Math.max(INT4_MIN, Math.round(value)));
}

/** Whether an error has SQLSTATE class 22 or 23, so that the value does not fit its column and a retry is useless. */
export const isNeverStorable = (error: unknown): boolean =>
  /^2[23][0-9A-Z]{3}$/.test(String((error as { code?: unknown } | null)?.code));
