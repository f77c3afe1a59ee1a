/** Which items have a preview, and why the others have none. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { previewFormatOf } from '../../src/preview/preview-format.ts';
import { CONVERTER_REVISION } from '../../src/preview/previews.ts';
import { PREVIEW_REASONS } from '../../src/preview/reasons.ts';
import { createRefusals } from '../../src/preview/refusals.ts';

const reasonOf = (source: Parameters<typeof previewFormatOf>[0]) => {
  const format = previewFormatOf(source);
  return typeof format === 'string' ? format : format.reason;
};

test('the sniffed type decides', () => {
  for (const [contentType, expected] of [
    ['audio/amr', 'voice'],
    ['audio/amr-wb', 'voice'],
    ['audio/silk', 'voice'],
    ['image/jpeg', 'picture'],
    ['IMAGE/PNG; charset=binary', 'picture'],
    ['image/webp', 'picture'],
    ['image/gif', 'picture'],
    ['image/bmp', 'picture_format'],
    ['image/svg+xml', 'picture_format'],
    ['audio/mpeg', 'browser_plays'],
    ['audio/ogg; codecs=opus', 'browser_plays'],
    ['video/mp4', 'video'],
    ['audio/speex', 'speex'],
    ['audio/midi', 'no_preview'],
    ['application/pdf', 'no_preview'],
    ['application/octet-stream', 'no_preview'],
    [undefined, 'no_preview'],
  ] as const)
    assert.equal(reasonOf({ contentType, kind: 'file' }), expected, contentType);
});

test('Speex in Ogg and the framing of the JS-SDK are named', () => {
  assert.equal(reasonOf({ contentType: 'audio/ogg', objectKey: 'wx1/2026/01/01/m_1.spx' }), 'speex');
  const voice = { contentType: 'application/octet-stream', kind: 'voice' } as const;
  assert.equal(reasonOf({ ...voice, variant: 'jssdk' }), 'jssdk_speex');
  assert.equal(reasonOf({ ...voice, variant: '16k' }), 'no_preview');
  assert.equal(reasonOf({ contentType: 'audio/amr', kind: 'voice', variant: 'jssdk' }), 'voice');
});

test('every reason is a sentence in both languages', () => {
  for (const [code, { message }] of Object.entries(PREVIEW_REASONS)) {
    assert.match(message.en, /^[A-Z].*\.$/, code);
    assert.match(message.zh, /^[^。]*[\u4e00-\u9fff].*。$/, code);
  }
});

test('a refused file is remembered for ten minutes, one that differs from the archived one is not', () => {
  let now = 0;
  const refusals = createRefusals(() => now);
  refusals.add('one', 'damaged');
  refusals.add('two', 'not_as_archived');
  assert.deepEqual([refusals.get('one'), refusals.get('two')], ['damaged', undefined]);
  now = 10 * 60_000;
  assert.equal(refusals.get('one'), undefined);
  for (let count = 0; count <= 1_000; count++) refusals.add(String(count), 'too_slow');
  assert.deepEqual([refusals.get('0'), refusals.get('1')], [undefined, 'too_slow']);
});

test('the revision of the converters was raised with their versions', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { sharp, 'silk-wasm': silk, '@audio/decode-amr': amr } = dependencies;
  assert.deepEqual(
    { revision: CONVERTER_REVISION, sharp, silk, amr },
    { revision: 1, sharp: '0.35.5', silk: '3.7.1', amr: '1.3.1' },
    'raise CONVERTER_REVISION with a new version of a decoder: cached previews are then made anew',
  );
});
