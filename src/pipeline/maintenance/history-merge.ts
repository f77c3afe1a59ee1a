/** Keeps the history of the counts small: merges the rows of a minute, and old minutes into hours. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop, type PollLoop } from '../../runtime/poll-loop.ts';

export interface HistoryMergeDeps {
  catalogue: { history: Pick<Catalogue['history'], 'merge'> };
  clock: Pick<Clock, 'now' | 'sleep'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
}

const EVERY_MS = 60_000;

/** It needs no lease: every process may merge at the same time. */
export function createHistoryMerge({ catalogue, clock, log, metrics }: HistoryMergeDeps): PollLoop {
  return createPollLoop({
    name: 'history-merge',
    everyMs: EVERY_MS,
    jitter: 0.2,
    log,
    metrics,
    sleep: clock.sleep,
    work: async (signal) => void (await catalogue.history.merge(clock.now(), signal)),
  });
}
