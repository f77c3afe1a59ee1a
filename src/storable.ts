/**
 * Values from outside on their way into a column. Postgres refuses NUL and lone surrogates in text, the same as
 * escapes in JSON, and numbers beyond the type of their column; the statement that fails is often the one that
 * records why something failed.
 */

/** The range of a Postgres `integer`. */
const INT4_MAX = 2 ** 31 - 1;
const INT4_MIN = -(2 ** 31);

/** Without what no database takes. Returns the same text where there is nothing to remove. */
export function storableText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '') : text).toWellFormed();
}

/** One line for people: control characters become blanks. At most `max` characters. */
export function storableLine(text: string, max: number): string {
  return storableText(text)
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, max)
    .toWellFormed();
}

/** JSON that `json` and `jsonb` take: every text and every name in it is storable. */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value);
  // Most values need nothing: the escapes are looked for first.
  if (!/\\u(?:0000|d[89a-f])/i.test(text)) return text;
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member === 'string') return storableText(member);
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).map(([name, inner]) => [storableText(name), inner]));
  });
}

export const isInt4 = (value: number): boolean =>
  Number.isInteger(value) && value >= INT4_MIN && value <= INT4_MAX;

/** The nearest integer that fits a Postgres `integer`; 0 for what is no number. */
export function toInt4(value: number): number {
  return Number.isNaN(value) ? 0 : Math.min(INT4_MAX, Math.max(INT4_MIN, Math.round(value)));
}

/** SQLSTATE classes 22 and 23: no waiting makes such a value fit its column. */
export const isNeverStorable = (error: unknown): boolean =>
  /^2[23][0-9A-Z]{3}$/.test(String((error as { code?: unknown } | null)?.code));
