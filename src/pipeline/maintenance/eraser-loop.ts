/** The background loop that continues erasures. */
import type { Clock } from '../../runtime/clock.ts';
import { createPollLoop, type PollLoop, type PollLoopDeps } from '../../runtime/poll-loop.ts';
import type { Eraser } from './eraser.ts';

export interface EraserLoopDeps extends PollLoopDeps {
  eraser: Pick<Eraser, 'sweep'>;
  clock: Pick<Clock, 'sleep'>;
}

/** `everyMs`: the wait while there is nothing to do. Default 2,000. */
export function createEraserLoop(deps: EraserLoopDeps, { everyMs = 2_000 } = {}): PollLoop {
  return createPollLoop({
    name: 'eraser',
    everyMs,
    log: deps.log,
    metrics: deps.metrics,
    sleep: deps.clock.sleep,
    work: async (signal) => ((await deps.eraser.sweep(signal)) ? 0 : undefined),
  });
}
