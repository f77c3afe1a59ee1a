/** Works redrives off: page after page at the rate that was asked for, whoever asked and whichever process it is. */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';

export interface RedriverDeps {
  catalogue: { leases: Pick<Catalogue['leases'], 'take' | 'drop'> } & {
    redrives: Pick<Catalogue['redrives'], 'listRunning' | 'runPage'>;
  };
  metrics: Pick<Metrics, 'redriven'>;
  clock: Clock;
  log: Pick<Log, 'info' | 'warn'>;
  /** Wakes the feeder: media are due. */
  onRedriven: () => void;
}

const LEASE = 'redrive';
/** What a killed holder costs. The lease only spares work: the row of a redrive itself lets one page at a time. */
const LEASE_MS = 10_000;
const LOOK_MS = 500;
/** The longest overdue go first, so that of more than these each has its turn. */
const RUNNING_LIMIT = 20;

export function createRedriver({ catalogue, metrics, clock, log, onRedriven }: RedriverDeps) {
  const holder = randomUUID();
  let isHolder = false;

  async function takePage(id: string): Promise<void> {
    const page = await catalogue.redrives.runPage(id, clock.now());
    if (!page) return;
    if (page.redriven > 0) {
      metrics.redriven.inc(page.redriven);
      onRedriven();
    }
    if (page.ended) log.info({ redrive: id }, 'a redrive is done');
  }

  /** A page of each redrive that is due. Answers when to look again, in milliseconds. */
  async function runDue(signal: AbortSignal): Promise<number> {
    const now = clock.now();
    const running = await catalogue.redrives.listRunning(RUNNING_LIMIT);
    const due = running.filter((one) => one.nextPageAt <= now);
    if (due.length === 0) {
      const nextMs = (running[0]?.nextPageAt.getTime() ?? Number.POSITIVE_INFINITY) - now.getTime();
      return Math.min(LOOK_MS, nextMs);
    }
    isHolder = await catalogue.leases.take(LEASE, holder, now, new Date(now.getTime() + LEASE_MS));
    if (!isHolder) return LOOK_MS;
    let waitMs = 0;
    for (const { id } of due) {
      if (signal.aborted) break;
      try {
        await takePage(id);
      } catch (error) {
        // What the page had changed is undone with it; the next one begins where it began. Others have their turn.
        log.warn({ err: error, redrive: id }, 'a page of a redrive did not finish; it is tried again');
        waitMs = LOOK_MS;
      }
    }
    return waitMs;
  }

  return {
    look: runDue,
    /** Works until the signal aborts, then gives the lease back. Never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        let waitMs = LOOK_MS;
        try {
          waitMs = await runDue(signal);
        } catch (error) {
          if (!signal.aborted) log.warn({ err: error }, 'redrives wait: the catalogue cannot be asked');
        }
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
      if (isHolder) await catalogue.leases.drop(LEASE, holder).catch(() => undefined);
    },
  };
}
