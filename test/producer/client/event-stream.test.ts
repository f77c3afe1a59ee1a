/** The parser of Server-Sent Events, with chunks that end anywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEventStream, type StreamMessage } from '../../../src/producer/client/event-stream.ts';

const STREAM =
  ': hello\n\nretry: 2000\nid: 1\n\nid: 2\nevent: x\ndata: {"name":\ndata: "图片🎞"}\n\nid:3\ndata:a: b\n\n:\n\ndata: c\n\nid: 4\ndata: cut';
const MESSAGES: StreamMessage[] = [
  { cursor: '1', data: undefined },
  { cursor: '2', data: '{"name":\n"图片🎞"}' },
  { cursor: '3', data: 'a: b' },
  { cursor: '3', data: 'c' },
];

async function parse(text: string, chunkBytes: number): Promise<StreamMessage[]> {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const found: StreamMessage[] = [];
  for await (const message of parseEventStream(chunks(), 'http://feed')) found.push(message);
  return found;
}

for (const [name, end] of [
  ['LF', '\n'],
  ['CR LF', '\r\n'],
  ['CR', '\r'],
] as const) {
  for (const chunkBytes of [1, 2, 3, 7, 1_000]) {
    test(`lines that end with ${name} are read from chunks of ${chunkBytes} bytes`, async () => {
      assert.deepEqual(await parse(STREAM.replaceAll('\n', end), chunkBytes), MESSAGES);
    });
  }
}

test('a message without an end is refused before it fills the memory', async () => {
  async function* endless() {
    for (;;) yield Buffer.alloc(1024 * 1024, 'data: x');
  }
  await assert.rejects(parseEventStream(endless(), 'http://feed').next(), { code: 'unexpected_response' });
});
