import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createErrorReporter, failureText, queueText } from '../../src/queue/redact-errors.ts';

test('a text is bounded, whole Unicode without NUL, and holds no secret', () => {
  assert.equal(queueText('a\0b\ud83dc'), 'ab\ufffdc');
  assert.equal(queueText('x'.repeat(5_000)).length, 1_000);
  assert.equal(queueText(`${'x'.repeat(999)}😀`).isWellFormed(), true);
  assert.equal(queueText('https://h/?access_token=abcdefghijkl'), 'https://h/?access_token=[redacted]');
});

test('the text of a failure has its code, its errcode and its detail', () => {
  assert.equal(failureText({ code: 'too_large', class: 'permanent_media' }), 'too_large');
  assert.equal(
    failureText({ code: 'invalid_media_id', class: 'permanent_media', errcode: 40007, errmsg: 'invalid' }),
    'invalid_media_id (errcode 40007): invalid',
  );
});

test('an error that repeats is logged once', () => {
  const lines: unknown[] = [];
  const log = { info: () => undefined, warn: (line: unknown) => lines.push(line), error: () => undefined };
  const report = createErrorReporter(log);
  for (let count = 0; count < 1_000; count++) {
    report(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
  }
  report(new TypeError('another'));
  assert.equal(lines.length, 2);
});
