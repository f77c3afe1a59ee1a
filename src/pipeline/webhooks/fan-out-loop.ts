/** Makes deliveries of new events, in every process that sends; a lock of the endpoint's row admits one at a time. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import { createPollLoop, type PollLoop, type PollLoopDeps } from '../../runtime/poll-loop.ts';
import type { EventFeed } from '../events/feed.ts';

export interface FanOutDeps extends PollLoopDeps {
  catalogue: { webhooks: Pick<Catalogue['webhooks'], 'fanOut'> };
  feed: Pick<EventFeed, 'wait'>;
  clock: Pick<Clock, 'now' | 'sleep'>;
  /** Called after deliveries were made. */
  onMade: () => void;
}

/** Events come in batches; a shorter wait would only make more statements. */
const SHORTEST_MS = 50;

export function createFanOutLoop(deps: FanOutDeps, { everyMs = 1_000 }: { everyMs?: number } = {}): PollLoop {
  const { catalogue, feed, clock } = deps;
  /** The end of the feed after the last turn; undefined: what follows it is not waited for, or the turn failed. */
  let end: number | undefined;

  return createPollLoop({
    name: 'webhook-fan-out',
    everyMs,
    log: deps.log,
    metrics: deps.metrics,
    work: async () => {
      end = undefined;
      const { made, isMore, head, isWanted } = await catalogue.webhooks.fanOut(clock.now());
      if (made > 0) deps.onMade();
      if (isMore) return 0;
      end = isWanted ? head : undefined;
      return undefined;
    },
    sleep: async (ms, signal) => {
      if (end === undefined) return await clock.sleep(ms, signal);
      const startedMs = performance.now();
      await feed.wait(end, ms, signal);
      await clock.sleep(Math.max(0, SHORTEST_MS - (performance.now() - startedMs)), signal);
    },
  });
}
