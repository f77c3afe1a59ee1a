import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../../src/runtime/seeded-random.ts';

const three = (seed: number) => {
  const random = createRandom(seed);
  return [random(), random(), random()];
};

test('a seed gives the same numbers in every release', () => {
  assert.deepEqual(three(42), [0.6011037519201636, 0.44829055899754167, 0.8524657934904099]);
});

test('another seed gives other numbers; only the lower 32 bits of a seed count', () => {
  assert.notDeepEqual(three(43), three(42));
  assert.deepEqual(three(2 ** 32 + 42), three(42));
});

test('numbers fill [0, 1)', () => {
  const random = createRandom(1);
  const numbers = Array.from({ length: 10_000 }, random);
  assert.ok(numbers.every((one) => one >= 0 && one < 1));
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = numbers.filter((one) => Math.floor(one * 10) === tenth).length;
    assert.ok(share > 800 && share < 1_200, `${share} of 10,000 in tenth ${tenth}`);
  }
});
