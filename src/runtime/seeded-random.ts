/** Chance that can be played again: pictures, plans and pages are the same for a seed, on every machine. */

/** Numbers in [0, 1) that are always the same for a seed (mulberry32: 32 bits of state, no secret is made of it). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
