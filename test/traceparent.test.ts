import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTraceparent, parseTraceparent, readTraceparent } from '../src/traceparent.ts';

const GOOD = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('a traceparent is taken apart and put together', () => {
  const context = parseTraceparent(GOOD)!;
  assert.deepEqual(context, {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    flags: 1,
  });
  assert.equal(formatTraceparent(context), GOOD);
});

for (const [what, text] of [
  ['upper case', GOOD.toUpperCase()],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
  ['a span id of zeros', `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`],
  ['version ff', GOOD.replace(/^00/, 'ff')],
  ['a version that is not known', GOOD.replace(/^00/, '01')],
  ['no flags', GOOD.slice(0, -3)],
  ['more fields', `${GOOD}-00`],
  ['a line break', `${GOOD}\nx`],
  ['nothing', ''],
] as const) {
  test(`${what} is no traceparent`, () => {
    assert.equal(parseTraceparent(text), undefined);
    assert.equal(readTraceparent(text), undefined);
  });
}

test('several headers count as none', () => {
  assert.equal(readTraceparent([GOOD, GOOD]), undefined);
  assert.equal(readTraceparent(GOOD), GOOD);
});
