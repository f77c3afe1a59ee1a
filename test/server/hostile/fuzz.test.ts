import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzServer } from './fuzzing.ts';

test('every body posted to /wechat/ gets 2xx or 4xx', async () => {
  const { statuses, wrong, accepted } = await fuzzServer({ cases: 2_000, seed: 20_260_102 });
  assert.deepEqual(wrong, []);
  for (const status of ['200', '400', '403'])
    assert.ok((statuses[status] ?? 0) > 0, JSON.stringify(statuses));
  assert.ok(accepted > 0);
});
