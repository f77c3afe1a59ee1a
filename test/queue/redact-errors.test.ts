import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createErrorReporter, failureText, storableText } from '../../src/queue/redact-errors.ts';

test('a text is bounded, whole Unicode without NUL, and holds no secret', () => {
  assert.equal(storableText('a\0b\ud83dc'), 'ab\ufffdc');
  assert.equal(storableText('x'.repeat(5_000)).length, 1_000);
  assert.equal(storableText(`${'x'.repeat(999)}😀`).isWellFormed(), true);
  assert.equal(storableText('https://h/?access_token=abcdefghijkl'), 'https://h/?access_token=[redacted]');
});

test('a failure is told by its code, its number and its words', () => {
  assert.equal(failureText({ code: 'too_large', class: 'permanent_media' }), 'too_large');
  assert.equal(
    failureText({ code: 'invalid_media_id', class: 'permanent_media', errcode: 40007, errmsg: 'invalid' }),
    'invalid_media_id (errcode 40007): invalid',
  );
});

test('an error that comes in a storm is logged once', () => {
  const lines: unknown[] = [];
  const report = createErrorReporter({ warn: (line: unknown) => lines.push(line) });
  for (let count = 0; count < 1_000; count++) {
    report(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
  }
  report(new TypeError('another'));
  assert.equal(lines.length, 2);
});
