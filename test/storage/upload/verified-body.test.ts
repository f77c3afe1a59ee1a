import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createVerifiedBody, readVerified } from '../../../src/storage/upload/verified-body.ts';

const CHUNKS = 6;

/** Longer as a whole than the silence that ends a body, and never silent so long. */
async function* slowly() {
  for (let n = 0; n < CHUNKS; n++) {
    await wait(400);
    yield Buffer.from('a');
  }
}
const options = () => ({ expect: undefined, idleTimeoutMs: 1_500, signal: AbortSignal.timeout(20_000) });

test('a slow body that goes on is read to its end, whole and in parts', async () => {
  const whole = readVerified(slowly(), options()).then(({ digest }) => digest.sizeBytes);
  const guard = createVerifiedBody(slowly(), options());
  for await (const _ of guard.chunks);
  assert.deepEqual([await whole, guard.digest().sizeBytes], [CHUNKS, CHUNKS]);
});

test('the last chunk of a body that is not proven is never given out', async () => {
  const chunks = ['a', 'b', 'c'].map((text) => Buffer.from(text));
  async function* body() {
    yield* chunks;
  }
  const sha256 = 'f'.repeat(64);
  for (const [expect, code] of [
    [{ lengthBytes: 4 }, 'body_too_short'],
    [{ lengthBytes: 2 }, 'body_too_long'],
    [{ sizeBytes: 3, sha256 }, 'bytes_differ'],
  ] as const) {
    const guard = createVerifiedBody(body(), { ...options(), expect });
    const given: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of guard.chunks) given.push(chunk);
    })();
    await assert.rejects(reading, new RegExp(code));
    assert.ok(given.length < chunks.length, `${given.length} chunks`);
    assert.throws(() => guard.digest());
  }
});
