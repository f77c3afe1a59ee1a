/**
 * Returns a generator of numbers in [0, 1). A seed leads to the same numbers on every machine; used for pictures, test
 * plans and generated pages. The algorithm is mulberry32 with 32 bits of state, so it must not be used for secrets.
 */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
