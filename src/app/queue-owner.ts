/**
 * Prevents that two archivers use one Redis with the same QUEUE_PREFIX: they would process each other's jobs and insert
 * rows of each other's media items. The queue therefore has the mark of its catalogue, which expires soon after the
 * last of its processes has ended.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { ArchiveQueue } from '../queue/queue.ts';
import type { Health } from '../runtime/health.ts';
import { createPollLoop, type PollLoopDeps } from '../runtime/poll-loop.ts';
import { StartError } from './run.ts';

export interface QueueOwnerDeps {
  readonly queue: Pick<ArchiveQueue, 'mark'>;
  readonly catalogue: Pick<Catalogue, 'identity'>;
  readonly health: Pick<Health, 'setUnhealthy' | 'setHealthy'>;
  readonly log: PollLoopDeps['log'];
  readonly metrics: PollLoopDeps['metrics'];
  readonly signal: AbortSignal;
}

const MARK_MS = 10_000;
const RENEW_MS = 3_000;

const REFUSED =
  'The queue of REDIS_URL belongs to another archiver: a program with another DATABASE_URL or DATABASE_SCHEMA uses it. Set QUEUE_PREFIX (for example {wma2}) for one of the two, or stop the other one; its mark expires within 15 seconds.';

/**
 * Throws a {@link StartError} if another catalogue renews its mark on the queue. If the other catalogue's programs have
 * just ended, waits until its mark expires. Then renews its own mark until the signal aborts. A queue or catalogue that
 * is unavailable does not prevent the start.
 */
export async function claimQueue({
  queue,
  catalogue,
  health,
  log,
  metrics,
  signal,
}: QueueOwnerDeps): Promise<void> {
  let id: string | undefined;
  const isOurs = async (): Promise<boolean> => {
    id ??= await catalogue.identity();
    return await queue.mark(id, MARK_MS, signal);
  };
  const renew = async (): Promise<void> => {
    if (await isOurs()) health.setHealthy('queue_shared');
    else health.setUnhealthy('queue_shared');
  };
  const giveUpAt = performance.now() + MARK_MS + RENEW_MS;
  let isLogged = false;
  while (!(await isOurs().catch(() => true))) {
    if (performance.now() > giveUpAt) throw new StartError(REFUSED);
    if (!isLogged)
      log.warn({ waitMs: MARK_MS + RENEW_MS }, 'queue: marked by another archiver, waiting for its end');
    isLogged = true;
    await wait(1_000, undefined, { signal });
  }
  void createPollLoop({
    name: 'queue-mark',
    everyMs: RENEW_MS,
    waitsFirst: true,
    work: renew,
    log,
    metrics,
  }).run(signal);
}
