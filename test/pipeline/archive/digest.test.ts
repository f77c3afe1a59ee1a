import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { digestOf } from '../../../src/pipeline/archive/digest.ts';

const never = new AbortController().signal;

async function* flow(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

describe('measure', () => {
  it('digests and counts a body, however it is cut', async () => {
    const sha256 = createHash('sha256').update('a picture').digest('hex');
    assert.deepEqual(await digestOf(flow('a picture'), never), { sha256, sizeBytes: 9 });
    assert.deepEqual(await digestOf(flow('a', '', ' pict', 'ure'), never), { sha256, sizeBytes: 9 });
  });

  it('stops when told to, and lets go of the body', async () => {
    const controller = new AbortController();
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await nextTurn(Buffer.from('more'));
      } finally {
        closed = true;
      }
    }
    const measuring = digestOf(endless(), controller.signal);
    setImmediate(() => controller.abort(new Error('closing')));
    await assert.rejects(measuring, /closing/);
    assert.ok(closed);
  });

  it('fails with the body', async () => {
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('cut');
    }
    await assert.rejects(digestOf(cut(), never), /cut/);
  });
});
