import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  DELIVERY_PATTERN_NAMES,
  DELIVERY_PATTERNS,
  type DeliveryPattern,
  type DeliveryPatternName,
} from '../../../src/simulator/callbacks/delivery-patterns.ts';
import { composeMessage } from '../../../src/simulator/callbacks/messages.ts';
import { ACCOUNT } from '../setup.ts';
import { fieldOf, type Received, respondWith, setupCallbacks } from './handler.ts';

/** Sends three messages; resolves with their indexes in order of arrival, and the requests. */
async function deliver(t: TestContext, how: DeliveryPatternName) {
  const { simulator, callbacks, received, signal } = await setupCallbacks(t, [respondWith('success')], {
    mode: 'plain',
  });
  const messages = [0, 1, 2].map((seed) =>
    composeMessage(simulator, { account: ACCOUNT.account, kind: 'image', seed }),
  );
  const deliveries = await callbacks.sendAll(messages, how, signal);
  const ids = messages.map(({ mediaIds }) => mediaIds[0]);
  const order = received.map(({ body }) => ids.indexOf(fieldOf(body, 'MediaId')));
  return { order, received, deliveries };
}
const stampOf = ({ query }: Received) => `${query.get('nonce')} ${query.get('signature')}`;

describe('delivery patterns', () => {
  for (const [how, expected] of [
    ['inOrder', [0, 1, 2]],
    ['redelivered', [0, 0, 1, 1, 2, 2]],
    ['redeliveredLate', [0, 1, 2, 0, 1, 2]],
    ['duplicated', [0, 0, 1, 1, 2, 2]],
    ['replayed', [0, 0, 1, 1, 2, 2]],
    ['reversed', [2, 1, 0]],
  ] as const) {
    it(`${how} sends the messages as ${expected.join(' ')}`, async (t) => {
      const { order, deliveries } = await deliver(t, how);
      assert.deepEqual(order, expected);
      assert.equal(deliveries.length, expected.length);
      assert.ok(deliveries.every(({ accepted }) => accepted));
    });
  }

  it('shuffled and atOnce send each message once, in any order', async (t) => {
    for (const how of ['shuffled', 'atOnce'] as const)
      assert.deepEqual((await deliver(t, how)).order.toSorted(), [0, 1, 2]);
    const row: DeliveryPattern = DELIVERY_PATTERNS.shuffled;
    assert.deepEqual(row.plan([], Math.random), []);
  });

  it('replayed sends the same bytes and signature, redelivered signs anew', async (t) => {
    const replayed = (await deliver(t, 'replayed')).received;
    assert.equal(stampOf(replayed[0]!), stampOf(replayed[1]!));
    assert.equal(replayed[0]!.body, replayed[1]!.body);
    const redelivered = (await deliver(t, 'redelivered')).received;
    assert.notEqual(stampOf(redelivered[0]!), stampOf(redelivered[1]!));
  });

  it('every pattern has a description', () => {
    for (const name of DELIVERY_PATTERN_NAMES) assert.ok(DELIVERY_PATTERNS[name].description);
  });
});
