/**
 * Two archivers on one Redis with one QUEUE_PREFIX take each other's jobs and make rows of each other's media. So the
 * queue carries the mark of its catalogue, which lapses soon after the last process of it has ended.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { ArchiveQueue } from '../queue/queue.ts';
import type { Health } from '../runtime/health.ts';
import type { Log } from '../runtime/log.ts';
import { StartError } from './run.ts';

export interface QueueOwnerDeps {
  readonly queue: Pick<ArchiveQueue, 'mark'>;
  readonly catalogue: Pick<Catalogue, 'identity'>;
  readonly health: Pick<Health, 'setUnhealthy' | 'setHealthy'>;
  readonly log: Pick<Log, 'warn' | 'error'>;
  readonly signal: AbortSignal;
}

const MARK_MS = 10_000;
const RENEW_MS = 3_000;

const REFUSED =
  'The queue of REDIS_URL belongs to another archiver: a program with another DATABASE_URL or DATABASE_SCHEMA uses it now. Set QUEUE_PREFIX (for example {wma2}) for one of the two, or end the other one; its mark lapses within a quarter of a minute.';

/**
 * Throws {@link StartError} where another catalogue keeps its mark on the queue; one that has just ended is waited for.
 * Then renews the mark until the signal. A queue or catalogue that is away keeps no program from its start.
 */
export async function claimQueue({ queue, catalogue, health, log, signal }: QueueOwnerDeps): Promise<void> {
  let id: string | undefined;
  const isOurs = async (): Promise<boolean> => {
    id ??= await catalogue.identity();
    return await queue.mark(id, MARK_MS, signal);
  };
  const renew = async (): Promise<void> => {
    while (!signal.aborted) {
      await wait(RENEW_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        if (await isOurs()) health.setHealthy('queue_shared');
        else health.setUnhealthy('queue_shared');
      } catch {
        // Away: the checks of queue and catalogue say so.
      }
    }
  };
  const giveUpAt = performance.now() + MARK_MS + RENEW_MS;
  let said = false;
  while (!(await isOurs().catch(() => true))) {
    if (performance.now() > giveUpAt) throw new StartError(REFUSED);
    if (!said)
      log.warn({ waitMs: MARK_MS + RENEW_MS }, 'queue: marked by another archiver; waiting for its end');
    said = true;
    await wait(1_000, undefined, { signal });
  }
  void renew();
}
