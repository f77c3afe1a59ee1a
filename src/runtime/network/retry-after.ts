/** Parses the `Retry-After` header of a response (RFC 9110 §10.2.3). */

/** Longer waits are cut to this, so that a wrong header does not delay an item for many hours of its three days. */
const LONGEST_MS = 3_600_000;

/**
 * Returns the milliseconds of a `Retry-After` header, between 0 and one hour; undefined if the header is absent or
 * malformed. Reads both forms: a number of seconds and an HTTP date.
 */
export function parseRetryAfterMs(header: string | undefined, now: Date): number | undefined {
  const value = header?.trim() ?? '';
  // Date.parse also accepts `-5` and `1.5` as dates, so the name of a month is required.
  const isDate = /^[A-Za-z]{3,9},? .*[A-Za-z]{3}/.test(value);
  const ms = /^\d+$/.test(value)
    ? Number(value) * 1000
    : isDate
      ? Date.parse(value) - now.getTime()
      : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_MS);
}
