/** The messages to and from converter processes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createMessageReader, encodeHead } from '../../src/preview/message.ts';

const HEADER = { outcome: 'ready' } as const;
const messageOf = (body: Buffer) => Buffer.concat([encodeHead(HEADER, body.length), body]);

test('messages are read whatever the pieces in which they arrive', () => {
  const bodies = [Buffer.alloc(0), randomBytes(1), randomBytes(5_000), Buffer.alloc(0)];
  const all = Buffer.concat(bodies.map(messageOf));
  for (const size of [1, 3, 7, 100, all.length]) {
    const read = createMessageReader(10_000);
    const messages = [];
    for (let at = 0; at < all.length; at += size) messages.push(...read(all.subarray(at, at + size)));
    assert.deepEqual(
      messages.map(({ body }) => body.toString('hex')),
      bodies.map((body) => body.toString('hex')),
    );
    assert.ok(messages.every(({ header }) => JSON.stringify(header) === JSON.stringify(HEADER)));
  }
});

test('a message above the limits, or without JSON, is refused', () => {
  assert.throws(() => createMessageReader(10)(encodeHead(HEADER, 11)), RangeError);
  const long = Buffer.alloc(8);
  long.writeUInt32LE(1_000_000, 0);
  assert.throws(() => createMessageReader(10)(long), RangeError);
  const broken = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7b, 0x7b]);
  assert.throws(() => createMessageReader(10)(broken), SyntaxError);
});
