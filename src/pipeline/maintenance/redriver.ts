/** Processes redrives page by page at the rate that was asked for, in whichever process holds the lease. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import { createLease } from '../../runtime/lease.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { combineErrors, isNonEmpty } from './combine-errors.ts';

export interface RedriverDeps {
  catalogue: { leases: Pick<Catalogue['leases'], 'take' | 'drop'> } & {
    redrives: Pick<Catalogue['redrives'], 'listRunning' | 'runPage'>;
  };
  metrics: Pick<Metrics, 'redriven' | 'backgroundErrors'>;
  clock: Clock;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Called when items are due: wakes the dispatcher. */
  onRedriven: () => void;
}

export interface Redriver {
  /**
   * Redrives one page of each redrive that is due. Resolves with the milliseconds until the next call. Rejects where a
   * page failed, after the others had their turn.
   */
  runDue(signal: AbortSignal): Promise<number>;
  /** Works until the signal aborts, then gives the lease back. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** The delay after its holder was killed. The lease only saves work: the row of a redrive admits one page at a time. */
const LEASE_MS = 10_000;
const POLL_MS = 500;
/** The longest overdue come first, so that each of more than these has its turn. */
const RUNNING_LIMIT = 20;

export function createRedriver({ catalogue, metrics, clock, log, onRedriven }: RedriverDeps): Redriver {
  const lease = createLease({ leases: catalogue.leases, clock }, { name: 'redrive', durationMs: LEASE_MS });

  async function redrivePage(id: string): Promise<void> {
    const page = await catalogue.redrives.runPage(id, clock.now());
    if (!page) return;
    if (page.redriven > 0) {
      metrics.redriven.inc(page.redriven);
      onRedriven();
    }
    if (page.ended) log.info({ redrive: id }, 'redriver: redrive done');
  }

  async function runDue(signal: AbortSignal): Promise<number> {
    const now = clock.now();
    const running = await catalogue.redrives.listRunning(RUNNING_LIMIT);
    const due = running.filter((one) => one.nextPageAt <= now);
    if (due.length === 0) {
      const nextMs = (running[0]?.nextPageAt.getTime() ?? Number.POSITIVE_INFINITY) - now.getTime();
      return Math.min(POLL_MS, nextMs);
    }
    if (!(await lease.take())) return POLL_MS;
    const errors: Error[] = [];
    for (const { id } of due) {
      if (signal.aborted) break;
      try {
        await redrivePage(id);
      } catch (error) {
        // The page was rolled back, and the next one starts where it started.
        errors.push(new Error(`a page of the redrive ${id} failed`, { cause: error }));
      }
    }
    if (isNonEmpty(errors)) throw combineErrors(errors);
    return 0;
  }

  const loop = createPollLoop({
    name: 'redriver',
    everyMs: POLL_MS,
    log,
    metrics,
    sleep: clock.sleep,
    work: runDue,
    lease,
  });

  return { runDue, run: loop.run };
}
