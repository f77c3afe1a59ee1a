/** Counts attempts by key, from 1. */

const KEYS_MAX = 50_000;

/** Beyond 50,000 keys the oldest is dropped. */
export function createAttemptCounter(): (key: string) => number {
  const attempts = new Map<string, number>();
  return (key) => {
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    if (attempts.size > KEYS_MAX) attempts.delete(attempts.keys().next().value as string);
    return attempt;
  };
}
