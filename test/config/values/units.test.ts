import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/config/values/units.ts';

test('sizes are read in powers of 1024 and of 1000, and bare numbers are bytes', () => {
  const read = ['256MiB', '1KiB', '2GiB', '1KB', '3MB', '1GB', '12B', '4096', '1.5MiB', '8 mib', '0'].map(
    parseSize,
  );
  const bytes = [268_435_456, 1024, 2_147_483_648, 1000, 3_000_000, 1e9, 12, 4096, 1_572_864, 8_388_608, 0];
  assert.deepEqual(read, bytes);
});

test('durations are read from milliseconds to days, and bare numbers are milliseconds', () => {
  const read = ['250ms', '15s', '10m', '72h', '3d', '1500', '1.5s', '0'].map(parseDuration);
  assert.deepEqual(read, [250, 15_000, 600_000, 259_200_000, 259_200_000, 1500, 1500, 0]);
});

test('an ambiguous or empty text is neither a size nor a duration', () => {
  for (const text of [
    '',
    '256M',
    'MiB',
    '-1',
    '1e6',
    '0x10',
    '1MiB2',
    'NaN',
    '9007199254740993',
    '99999999999GiB',
  ]) {
    assert.equal(parseSize(text), undefined, text);
  }
  for (const text of ['', '15 seconds', '-1s', 's', '1M', 'Infinity', '1h30m', '99999999999999999d']) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

test('an amount is written with the largest unit of which it is a whole number, and read as the same', () => {
  for (const [ms, text] of [
    [0, '0ms'],
    [1, '1ms'],
    [15_000, '15s'],
    [90 * 60_000, '90m'],
    [72 * 3_600_000, '3d'],
    [86_400_001, '86400001ms'],
  ] as const) {
    assert.equal(formatDuration(ms), text);
    assert.equal(parseDuration(text), ms);
  }
  for (const [bytes, text] of [
    [0, '0B'],
    [1_000, '1000B'],
    [1_536, '1536B'],
    [256 * 2 ** 20, '256MiB'],
    [2 ** 40, '1024GiB'],
  ] as const) {
    assert.equal(formatSize(bytes), text);
    assert.equal(parseSize(text), bytes);
  }
});
