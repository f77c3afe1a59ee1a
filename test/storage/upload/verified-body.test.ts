import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createVerifiedBody, readVerified } from '../../../src/storage/upload/verified-body.ts';

const CHUNKS = 9;

/** As a whole it takes longer than the idle timeout; between two chunks it does not. */
async function* slowly() {
  for (let n = 0; n < CHUNKS; n++) {
    await wait(100);
    yield Buffer.from('a');
  }
}
const options = () => ({ expect: undefined, idleTimeoutMs: 800, signal: AbortSignal.timeout(20_000) });

test('a slow body that is never idle for long is read to its end', async () => {
  const whole = readVerified(slowly(), options()).then(({ digest }) => digest.sizeBytes);
  const verified = createVerifiedBody(slowly(), options());
  for await (const _ of verified.chunks);
  assert.deepEqual([await whole, verified.digest().sizeBytes], [CHUNKS, CHUNKS]);
});

test('the last chunk of a body that fails verification is never yielded', async () => {
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
    const verified = createVerifiedBody(body(), { ...options(), expect });
    const yielded: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of verified.chunks) yielded.push(chunk);
    })();
    await assert.rejects(reading, new RegExp(code));
    assert.ok(yielded.length < chunks.length, `${yielded.length} chunks`);
    assert.throws(() => verified.digest());
  }
});
