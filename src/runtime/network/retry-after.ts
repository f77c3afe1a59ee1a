/** The `Retry-After` header of a response (RFC 9110 §10.2.3). */

/** Longer waits are cut: a wrong header must not cost an item hours of its three days. */
const LONGEST_MS = 3_600_000;

/**
 * Returns the milliseconds that a `Retry-After` header asks for, between 0 and one hour, or undefined where there is
 * no header or it is malformed. Reads both forms: a count of seconds and an HTTP date.
 */
export function parseRetryAfterMs(header: string | undefined, now: Date): number | undefined {
  const value = header?.trim() ?? '';
  // Date.parse also reads `-5` and `1.5` as years, hence the check for the name of a month.
  const isDate = /^[A-Za-z]{3,9},? .*[A-Za-z]{3}/.test(value);
  const ms = /^\d+$/.test(value)
    ? Number(value) * 1000
    : isDate
      ? Date.parse(value) - now.getTime()
      : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_MS);
}
