/** How the feed of one process hands events to clients that wait. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Sequenced } from '../../../src/catalogue/events/sequence.ts';
import { createEventFeed } from '../../../src/pipeline/events/feed.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createRecordingLog } from '../recording-log.ts';

it('before its first turn has ended a client waits, and does not read the catalogue without a pause', async (t) => {
  const sequenced = Promise.withResolvers<Sequenced>();
  const end = { position: 7, atMs: 1 };
  const feed = createEventFeed({
    catalogue: {
      events: {
        sequence: () => sequenced.promise,
        read: async () => ({ items: [], end, hasMore: false }),
        locate: async (cursor) => ({ is: 'here', cursor }),
      },
    },
    eventJson: async () => [],
    clock: systemClock,
    metrics: createMetrics(),
    log: createRecordingLog().log,
  });
  const closing = new AbortController();
  const running = feed.run(closing.signal);
  t.after(async () => {
    closing.abort();
    sequenced.resolve({ end, counts: new Map(), hasMore: false });
    await running;
  });
  let hasEnded = false;
  const waiting = feed.wait(3, 60_000, closing.signal).then((batch) => {
    hasEnded = true;
    return batch;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(hasEnded, false);
  sequenced.resolve({ end, counts: new Map(), hasMore: false });
  assert.equal(await waiting, undefined, 'the client reads the catalogue then');
  assert.equal(await feed.wait(3, 60_000, closing.signal), undefined, 'as does one that is behind');
});
