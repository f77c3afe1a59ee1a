/** Counts from 1, and forgets the oldest beyond a bound. */
const COUNTED = 50_000;

export function createTries(): (key: string) => number {
  const tries = new Map<string, number>();
  return (key) => {
    const count = (tries.get(key) ?? 0) + 1;
    tries.set(key, count);
    if (tries.size > COUNTED) tries.delete(tries.keys().next().value as string);
    return count;
  };
}
