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

/** Sends three messages; answers the places of what came, in order, and the requests. */
async function deliver(t: TestContext, how: DeliveryPatternName) {
  const { simulator, callbacks, received, signal } = await setupCallbacks(t, [respondWith('success')], {
    mode: 'plain',
  });
  const messages = [0, 1, 2].map((seed) =>
    composeMessage(simulator, { account: ACCOUNT.account, kind: 'image', seed }),
  );
  const deliveries = await callbacks.sendAll(messages, how, signal);
  const ids = messages.map(({ mediaIds }) => mediaIds[0]);
  const places = received.map(({ body }) => ids.indexOf(fieldOf(body, 'MediaId')));
  return { places, received, deliveries };
}
const stampOf = ({ query }: Received) => `${query.get('nonce')} ${query.get('signature')}`;

describe('deliveries of the simulator', () => {
  for (const [how, expected] of [
    ['inOrder', [0, 1, 2]],
    ['redelivered', [0, 0, 1, 1, 2, 2]],
    ['redeliveredLate', [0, 1, 2, 0, 1, 2]],
    ['duplicated', [0, 0, 1, 1, 2, 2]],
    ['replayed', [0, 0, 1, 1, 2, 2]],
    ['reversed', [2, 1, 0]],
  ] as const) {
    it(`${how}: ${expected.join(' ')}`, async (t) => {
      const { places, deliveries } = await deliver(t, how);
      assert.deepEqual(places, expected);
      assert.equal(deliveries.length, expected.length);
      assert.ok(deliveries.every(({ accepted }) => accepted));
    });
  }

  it('shuffled and atOnce: each once, in an order that may be any', async (t) => {
    for (const how of ['shuffled', 'atOnce'] as const)
      assert.deepEqual((await deliver(t, how)).places.toSorted(), [0, 1, 2]);
    const row: DeliveryPattern = DELIVERY_PATTERNS.shuffled;
    assert.deepEqual(row.plan([], Math.random), []);
  });

  it('replayed: the same bytes and signature; redelivered: signed anew', async (t) => {
    const replayed = (await deliver(t, 'replayed')).received;
    assert.equal(stampOf(replayed[0]!), stampOf(replayed[1]!));
    assert.equal(replayed[0]!.body, replayed[1]!.body);
    const redelivered = (await deliver(t, 'redelivered')).received;
    assert.notEqual(stampOf(redelivered[0]!), stampOf(redelivered[1]!));
  });

  it('say what they do, each', () => {
    for (const name of DELIVERY_PATTERN_NAMES) assert.ok(DELIVERY_PATTERNS[name].description);
  });
});
