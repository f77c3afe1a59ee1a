/** A writer that could not be opened is opened again by the next write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLazily } from '../../src/producer/writer.ts';

test('a failure to open a writer is not remembered, and an open writer is kept', async () => {
  let opened = 0;
  const writer = openLazily([], async () => async () => {
    opened++;
    if (opened === 1) throw new Error('Redis is away');
    return { write: async () => ['pending'], close: async () => undefined };
  });
  await assert.rejects(writer.write([]), /Redis is away/);
  assert.deepEqual(await writer.write([]), ['pending']);
  assert.deepEqual(await writer.write([]), ['pending']);
  assert.equal(opened, 2);
  await writer.close();
});
