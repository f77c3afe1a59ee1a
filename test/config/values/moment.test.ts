import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentOf } from '../../../src/config/values/moment.ts';

const NOW = new Date('2026-11-20T12:00:00Z');
const at = (text: string, direction: 'past' | 'future' = 'past') =>
  momentOf(text, direction, NOW)?.toISOString();

test('a duration counts back or ahead as the option requires, and a sign overrides that', () => {
  assert.equal(at('1h'), '2026-11-20T11:00:00.000Z');
  assert.equal(at('1h', 'future'), '2026-11-20T13:00:00.000Z');
  assert.equal(at('-90m', 'future'), '2026-11-20T10:30:00.000Z');
  assert.equal(at('+7d'), '2026-11-27T12:00:00.000Z');
  assert.equal(at(' 1.5 h '), '2026-11-20T10:30:00.000Z');
});

test('a date is read as it is', () => {
  assert.equal(at('2026-11-19'), '2026-11-19T00:00:00.000Z');
  assert.equal(at('2026-11-19T08:00:00+08:00'), '2026-11-19T00:00:00.000Z');
  assert.equal(at('2026-11-19T00:00:00.5Z'), '2026-11-19T00:00:00.500Z');
});

test('any other text is refused, although JavaScript would parse a date from it', () => {
  for (const text of [
    '',
    '5',
    '12',
    'soon',
    '1 week',
    '1y',
    '2026-13-01',
    'Nov 20',
    '9999999999d',
    '1h1m',
    '--1h',
  ])
    assert.equal(at(text), undefined, text);
});
