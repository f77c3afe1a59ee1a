/** The limit of callbacks whose signature covers the body: the oldest is closed for a new one. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { createUnsignedCallbackLimit } from '../../../src/server/callbacks/unsigned-callback-limit.ts';
import { signatureOf } from '../../../src/simulator/callbacks/envelope.ts';
import { PLAIN } from '../setup.ts';

const OVER_BODY = { msg_signature: 'a'.repeat(40), timestamp: '1', nonce: '1' };

function setup(limit: number) {
  const destroyed: number[] = [];
  let cut = 0;
  const limiter = createUnsignedCallbackLimit({ limit, onCut: () => cut++ });
  const admit = (n: number, query: object, headers: object = {}) => {
    const request = Object.assign(new EventEmitter(), {
      headers,
      socket: { destroy: () => destroyed.push(n) },
    });
    const isAdmitted = limiter.admit(PLAIN, query as never, request as unknown as IncomingMessage);
    return { isAdmitted, end: () => request.emit('end') };
  };
  return { admit, destroyed, cut: () => cut };
}

describe('a callback', () => {
  it('that cannot be signed is refused because of its query', () => {
    const { admit } = setup(2);
    assert.equal(admit(0, {}).isAdmitted, false);
    assert.equal(admit(0, { signature: 'a'.repeat(40), timestamp: '1', nonce: '1' }).isAdmitted, false);
    assert.equal(admit(0, { msg_signature: 'short' }).isAdmitted, false);
    assert.equal(admit(0, { msg_signature: ['a'.repeat(40), 'b'] }).isAdmitted, false);
    assert.equal(
      admit(0, {}, { 'transfer-encoding': 'chunked' }).isAdmitted,
      true,
      'its body may be too long',
    );
  });

  it('whose signature covers the body takes the place of the oldest one', () => {
    const { admit, destroyed, cut } = setup(2);
    const first = admit(1, OVER_BODY);
    admit(2, OVER_BODY);
    first.end();
    admit(3, OVER_BODY);
    assert.deepEqual(destroyed, []);
    admit(4, OVER_BODY);
    admit(5, OVER_BODY);
    assert.deepEqual([destroyed, cut()], [[2, 3], 2]);
  });

  it('with a valid signature in the query is never closed', () => {
    const { admit, destroyed } = setup(1);
    const signature = signatureOf(PLAIN.token, '1', '1');
    for (let n = 0; n < 10; n++)
      assert.equal(admit(n, { signature, timestamp: '1', nonce: '1' }).isAdmitted, true);
    assert.deepEqual(destroyed, []);
  });
});
