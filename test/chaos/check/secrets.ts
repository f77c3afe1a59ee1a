/** Secrets where they must not be: in log lines, rows and jobs. Known ones to the letter, the others by their form. */
import type { Evidence } from './evidence.ts';

/** Tokens as WeChat makes them, signatures of links and requests, and anything that follows `access_token=`. */
const FORMS: readonly (readonly [name: string, form: RegExp])[] = [
  ['an access token', /(?<![A-Za-z0-9_.-])\d{1,3}_[A-Za-z0-9_-]{100,}/g],
  ['a token in a query', /access_token(?:=|%3D)(?!\[redacted\])[A-Za-z0-9_-]{8,}/g],
  ['the signature of a link', /X-Amz-Signature(?:=|%3D)[0-9a-f]{32,}/gi],
  ['the key of a video link', /[?&]vkey=(?!\[redacted\])[0-9A-Za-z]{16,}/g],
  ['a bearer', /Bearer (?!\[redacted\])[A-Za-z0-9._-]{8,}/g],
];
const SHOWN = 12;

export function findSecrets({ run, texts }: Pick<Evidence, 'run' | 'texts'>): string[] {
  const found: string[] = [];
  for (const { name, text } of texts()) {
    for (const line of text.split('\n')) {
      const letters = run.secrets.find((secret) => secret !== '' && line.includes(secret));
      const form = FORMS.find(([, pattern]) => line.search(pattern) >= 0);
      if (letters === undefined && !form) continue;
      const what = letters === undefined ? form![0] : `the secret ${letters.slice(0, 6)}…`;
      const at = letters === undefined ? line.search(form![1]) : line.indexOf(letters);
      // The report itself must not hold what it complains about.
      found.push(`${name}: ${what} after ${JSON.stringify(line.slice(Math.max(0, at - 60), at + SHOWN))}`);
    }
  }
  return found;
}
