/** Validates requests to Bull Board's API, which validates little itself and returns 500 for invalid requests. */

const STATUSES: ReadonlySet<string> = new Set([
  'latest',
  'active',
  'waiting',
  'waiting-children',
  'prioritized',
  'completed',
  'failed',
  'delayed',
  'paused',
]);
const LIMITS: Readonly<Record<string, number>> = { page: 1_000_000, jobsPerPage: 100 };
const CONTROL = /[\0-\x1f\x7f]/;

/** Whether a part of the URL is text, decoded once and decoded twice: Bull Board's handlers decode a second time. */
function isText(encoded: string): boolean {
  try {
    const once = decodeURIComponent(encoded);
    return !CONTROL.test(once) && !CONTROL.test(decodeURIComponent(once));
  } catch {
    return false;
  }
}

/** Returns what is wrong with a URL of Bull Board's API; undefined: nothing. */
export function problemInQueueBoardUrl(url: string): string | undefined {
  const [path = '', ...query] = url.split('?');
  if (!path.split('/').every(isText)) return 'the path contains invalid characters';
  const seen = new Set<string>();
  for (const pair of query.join('?').split('&').filter(Boolean)) {
    const [name = '', ...rest] = pair.replaceAll('+', '%20').split('=');
    const text = rest.join('=');
    if (!isText(name) || !isText(text)) return 'a parameter contains invalid characters';
    const key = decodeURIComponent(name);
    const value = decodeURIComponent(text);
    if (seen.has(key)) return `${key} occurs twice`;
    seen.add(key);
    if (key === 'status' && value !== '' && !STATUSES.has(value))
      return `status is none of ${[...STATUSES].join(', ')}`;
    const limit = Object.hasOwn(LIMITS, key) ? LIMITS[key] : undefined;
    if (limit !== undefined && !(/^\d{1,7}$/.test(value) && Number(value) >= 1 && Number(value) <= limit))
      return `${key} must be a whole number from 1 to ${limit}`;
  }
  return undefined;
}
