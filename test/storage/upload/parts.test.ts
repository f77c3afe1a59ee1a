import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Part, partsOf } from '../../../src/storage/upload/parts.ts';
import { sha256 } from '../setup.ts';

test('all parts but the last have the same size, the last is never empty, and each carries its own hash', async () => {
  const body = Buffer.from('abcdefghij');
  for (const chunkBytes of [1, 2, 3, 4, 5, 9, 10]) {
    for (const partSizeBytes of [1, 3, 4, 5, 10, 11]) {
      async function* chunks() {
        for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
      }
      const parts: Part[] = [];
      for await (const part of partsOf(chunks(), partSizeBytes)) parts.push(part);
      const found = parts.map((part) => Buffer.concat(part.chunks));
      assert.deepEqual(Buffer.concat(found), body);
      assert.equal(parts.length, Math.ceil(body.length / partSizeBytes));
      for (const [index, part] of parts.entries()) {
        const last = index === parts.length - 1;
        assert.deepEqual([part.number, part.last], [index + 1, last]);
        assert.equal(part.sha256, sha256(found[index]!));
        if (!last) assert.equal(found[index]!.length, partSizeBytes);
      }
    }
  }
});
