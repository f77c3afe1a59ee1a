/** Parses files that are cut off or damaged at every byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecord, readRecords } from '../../src/spool/record.ts';

const TEXTS = ['{"a":1}', '{"name":"图片"}', '{}', `{"long":"${'x'.repeat(300)}"}`];
const RECORDS = TEXTS.map(encodeRecord);
const FILE = Buffer.concat(RECORDS);
/** Where each record ends. */
const ENDS = RECORDS.map((_, index) => Buffer.concat(RECORDS.slice(0, index + 1)).length);

test('records are read as they were written', () => {
  assert.deepEqual(readRecords(FILE), { texts: TEXTS, damaged: [], tornBytes: 0 });
});

test('a file cut off at any byte keeps every whole record, and the rest is torn, not damaged', () => {
  for (let length = 0; length <= FILE.length; length++) {
    const whole = ENDS.filter((end) => end <= length).length;
    assert.deepEqual(
      readRecords(FILE.subarray(0, length)),
      { texts: TEXTS.slice(0, whole), damaged: [], tornBytes: length - (ENDS[whole - 1] ?? 0) },
      `at ${length}`,
    );
  }
});

test('a tail of zeros, as a crash of the machine leaves it, is torn', () => {
  const { texts, damaged, tornBytes } = readRecords(Buffer.concat([FILE, Buffer.alloc(100)]));
  assert.deepEqual([texts, damaged.length, tornBytes], [TEXTS, 0, 100]);
});

test('one changed byte loses at most the record it is in and makes up none', () => {
  for (let at = 0; at < FILE.length; at++) {
    const hit = ENDS.findIndex((end) => at < end);
    for (const byte of [0x00, 0x0a, 0x20, 0x30, 0x66, 0x7b, 0xff]) {
      const bytes = Buffer.from(FILE);
      bytes[at] = byte;
      const { texts, damaged, tornBytes } = readRecords(bytes);
      const others = TEXTS.filter((_, index) => index !== hit);
      assert.deepEqual(
        texts.filter((text) => text !== TEXTS[hit]),
        others,
        `byte ${at} became ${byte}`,
      );
      const isHitThere = texts.length === TEXTS.length;
      assert.ok(isHitThere || damaged.length > 0 || tornBytes > 0, 'what is lost is reported');
    }
  }
});
