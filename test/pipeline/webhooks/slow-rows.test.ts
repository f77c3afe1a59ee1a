/** What the sender does when the rows of its deliveries take long to read. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { toDelivery } from '../../../src/catalogue/webhooks/delivery-row.ts';
import { createSender } from '../../../src/pipeline/webhooks/sender.ts';
import { createLifetimes, systemClock } from '../../../src/runtime/clock.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createRecordingLog } from '../recording-log.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const ENDPOINT = {
  id: 'whe_1',
  url: 'https://example.com/',
  secret: {},
  position: 0,
  missed: 0,
  createdAt: NOW,
  createdBy: 'test',
  updatedAt: NOW,
};
const DELIVERY = toDelivery(
  {
    id: '7',
    endpoint: ENDPOINT.id,
    position: '1',
    event: '5f0c8a1d-2b3e-4f60-7182-93a4b5c6d7e8',
    type: 'media.dead',
    at: NOW,
    account: 'wx1',
    media: 'm_1',
    state: 'pending',
    attempts: 0,
    due_at: NOW,
    leased_until: NOW,
    attempted_at: null,
    duration_ms: null,
    status: null,
    reason: null,
    created_at: NOW,
    ended_at: null,
  },
  NOW,
);

it('deliveries whose rows took a large part of the lease to read are given back and not sent', async () => {
  const end = new AbortController();
  const calls: unknown[] = [];
  const sender = createSender(
    {
      catalogue: {
        webhooks: {
          due: async () => [ENDPOINT.id],
          claim: async () => [{ endpoint: ENDPOINT, deliveries: [DELIVERY] }],
          finish: async () => void calls.push('finish'),
          giveBack: async (_lease, ids) => {
            calls.push(ids);
            end.abort();
          },
          disable: async () => false,
        },
      },
      client: {
        send: async () => {
          calls.push('send');
          end.abort();
          return { durationMs: 1 };
        },
      },
      secrets: { decrypt: () => `whsec_${Buffer.alloc(32).toString('base64')}` },
      bodiesOf: async () => {
        await wait(20);
        return [{ text: '{}' }];
      },
      clock: systemClock,
      lifetimes: createLifetimes({ mediaLifetimeMs: 1_000, timeScale: 1 }),
      log: createRecordingLog().log,
      metrics: createMetrics(),
      random: Math.random,
    },
    { leaseMs: 1 },
  );
  await sender.run(end.signal);
  assert.deepEqual(calls, [[DELIVERY.id]]);
});
