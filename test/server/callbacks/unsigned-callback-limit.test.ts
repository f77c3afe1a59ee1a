/** Callbacks that are signed over their body, read many at once: the slowest gives way, whoever is quick is not touched. */
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
  const unsigned = createUnsignedCallbackLimit({ limit, onCut: () => cut++ });
  const ask = (n: number, query: object, headers: object = {}) => {
    const request = Object.assign(new EventEmitter(), {
      headers,
      socket: { destroy: () => destroyed.push(n) },
    });
    const mayFollow = unsigned.admit(PLAIN, query as never, request as unknown as IncomingMessage);
    return { mayFollow, end: () => request.emit('end') };
  };
  return { ask, destroyed, cut: () => cut };
}

describe('a callback', () => {
  it('that cannot be signed is refused by its query alone', () => {
    const { ask } = setup(2);
    assert.equal(ask(0, {}).mayFollow, false);
    assert.equal(ask(0, { signature: 'a'.repeat(40), timestamp: '1', nonce: '1' }).mayFollow, false);
    assert.equal(ask(0, { msg_signature: 'short' }).mayFollow, false);
    assert.equal(ask(0, { msg_signature: ['a'.repeat(40), 'b'] }).mayFollow, false);
    assert.equal(ask(0, {}, { 'transfer-encoding': 'chunked' }).mayFollow, true, 'it may be too long');
  });

  it('whose signature is over its body takes the place of the one that has been read longest', () => {
    const { ask, destroyed, cut } = setup(2);
    const first = ask(1, OVER_BODY);
    ask(2, OVER_BODY);
    first.end();
    ask(3, OVER_BODY);
    assert.deepEqual(destroyed, []);
    ask(4, OVER_BODY);
    ask(5, OVER_BODY);
    assert.deepEqual([destroyed, cut()], [[2, 3], 2]);
  });

  it('whose signature in the query is right is never cut', () => {
    const { ask, destroyed } = setup(1);
    const signature = signatureOf(PLAIN.token, '1', '1');
    for (let n = 0; n < 10; n++)
      assert.equal(ask(n, { signature, timestamp: '1', nonce: '1' }).mayFollow, true);
    assert.deepEqual(destroyed, []);
  });
});
