import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from './fuzzing.ts';

test('mutated and hostile callbacks are accepted or refused quickly, without an exception', () => {
  const { outcomes, slowestMs, slowest } = fuzz({ cases: 5_000, seed: 20_260_101 });
  assert.ok(slowestMs < 500, `${slowestMs} ms for ${slowest}`);
  for (const met of [
    'media',
    'ignored',
    'sync',
    'ticket',
    '400 malformed_message',
    '403 bad_signature',
    '403 cannot_decrypt',
  ])
    assert.ok((outcomes[met] ?? 0) > 0, `${met} was never met: ${JSON.stringify(outcomes)}`);
});
