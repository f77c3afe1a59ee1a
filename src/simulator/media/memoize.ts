/** Keeps the last few results of a costly pure function of a number. */
export function keepLast<Result>(most: number, make: (key: number) => Result): (key: number) => Result {
  const kept = new Map<number, Result>();
  return (key) => {
    const result = kept.get(key) ?? make(key);
    kept.delete(key);
    kept.set(key, result);
    if (kept.size > most) kept.delete(kept.keys().next().value as number);
    return result;
  };
}
