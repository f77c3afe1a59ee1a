import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRenderable, sniff } from '../src/media-type.ts';

const bytes = (text: string) => Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(64)]);

test('pictures, voices and videos are recognised by their first bytes', async () => {
  const png = '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\0IDAT';
  const expected: [string, string, string][] = [
    ['\xff\xd8\xff\xe0\0\x10JFIF\0', 'image/jpeg', 'jpg'],
    [png, 'image/png', 'png'],
    ['GIF89a\x01\0\x01\0', 'image/gif', 'gif'],
    ['RIFF\x10\0\0\0WEBPVP8 ', 'image/webp', 'webp'],
    ['\0\0\0\x18ftypmp42\0\0\0\0', 'video/mp4', 'mp4'],
    ['\0\0\0\x18ftypisom\0\0\0\0', 'video/mp4', 'mp4'],
    ['#!AMR\n\x3c', 'audio/amr', 'amr'],
    ['#!AMR-WB\n\x3c', 'audio/amr-wb', 'awb'],
    ['#!SILK_V3', 'audio/silk', 'silk'],
    ['\x02#!SILK_V3', 'audio/silk', 'silk'],
    ['Speex   1.2', 'audio/speex', 'spx'],
    ['ID3\x03\0\0\0\0\0\0', 'audio/mpeg', 'mp3'],
    ['%PDF-1.7\n', 'application/pdf', 'pdf'],
  ];
  for (const [head, contentType, extension] of expected) {
    assert.deepEqual(await sniff(bytes(head)), { contentType, extension }, contentType);
  }
});

test('texts, HTML pages, empty bodies and noise are not recognised', async () => {
  for (const head of ['<!doctype html><html>', '{"errcode":40007}', 'hello', '\x17\x2a\x5e\x91']) {
    assert.equal(await sniff(Buffer.from(head, 'latin1')), undefined, head);
  }
  assert.equal(await sniff(new Uint8Array()), undefined);
});

test('any prefix of a file gives a result, never an error', async () => {
  const heads = [
    'PK\x03\x04\x14\0\0\0',
    '\0\0\0\x18ftyp',
    'OggS\0\x02',
    '\x1aE\xdf\xa3',
    'ID3',
    'II*\0',
    '<?xml version=',
  ];
  for (const head of heads) {
    const whole = bytes(head);
    for (let length = 0; length <= whole.length; length += 3) await sniff(whole.subarray(0, length));
  }
});

test('pictures, audio and video may be shown inline, types that may hold a script may not', () => {
  for (const type of ['image/jpeg', 'image/png', 'audio/amr', 'video/mp4', 'video/3gpp'])
    assert.ok(isRenderable(type));
  for (const type of [
    'image/svg+xml',
    'text/html',
    'application/pdf',
    'application/octet-stream',
    '',
    'video/x;html',
  ]) {
    assert.ok(!isRenderable(type), type);
  }
});
