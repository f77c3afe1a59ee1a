/** Reads the messages of WeCom customer service that a callback spoke of, page by page, into rows. */
import type { Accounts } from '../account.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { WantedSync } from '../catalogue/kf-sync.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { KfSync } from '../wechat/kf-sync.ts';
import { unseal } from '../wechat/sealing.ts';
import { toReference } from './accept.ts';

export interface SyncerDeps {
  catalogue: { kfSyncs: Pick<Catalogue['kfSyncs'], 'take' | 'commitPage' | 'postpone'> };
  kfSync: KfSync;
  accounts: Pick<Accounts, 'find'>;
  clock: Clock;
  metrics: Pick<Metrics, 'received'>;
  log: Pick<Log, 'info' | 'warn'>;
  /** New rows are on disk. */
  onAccepted(): void;
}

const LOOK_MS = 1_000;
/** Longer than a page takes, two token calls included. */
const PAGE_MS = 60_000;
const AFTER_FAILURE_MS = 30_000;
/** A thousand messages each: what comes after waits for its next turn. */
const PAGES_IN_A_ROW = 50;

export function createSyncer(deps: SyncerDeps) {
  const { catalogue, clock, log } = deps;
  const inMs = (ms: number) => new Date(clock.now().getTime() + ms);

  async function read(wanted: WantedSync, signal: AbortSignal): Promise<void> {
    const account = deps.accounts.find(wanted.account);
    if (!account) throw new Error(`the account ${wanted.account} is not configured`);
    const token = wanted.token && unseal(account, wanted.token);
    let sync = wanted;
    for (let pages = 1; ; pages++) {
      const { openKfId, cursor } = sync;
      const page = await deps.kfSync.page(account, { openKfId, cursor, ...(token ? { token } : {}) }, signal);
      if (page.unusable > 0)
        log.warn({ account: account.account, unusable: page.unusable }, 'messages without a usable media id');
      const now = clock.now();
      const references = page.references.map((input) => toReference(input, deps.accounts, now));
      const more = page.hasMore && pages < PAGES_IN_A_ROW;
      const { nextCursor } = page;
      const accepted = await catalogue.kfSyncs.commitPage(
        sync,
        { references, nextCursor },
        now,
        more ? inMs(PAGE_MS) : page.hasMore ? now : undefined,
      );
      // Another process was faster: it goes on.
      if (!accepted) return;
      const refused = references.length - accepted.length;
      if (refused > 0)
        log.warn({ account: account.account, refused }, 'customer service: messages that no row can hold');
      const created = accepted.filter((one) => one.created).length;
      if (created > 0) {
        deps.metrics.received.inc(created);
        deps.onAccepted();
      }
      if (!more) return;
      sync = { ...sync, cursor: nextCursor };
    }
  }

  /** Reads one customer-service account, if one is wanted; false: none is. */
  async function syncOne(signal: AbortSignal): Promise<boolean> {
    const wanted = await catalogue.kfSyncs.take(clock.now(), inMs(PAGE_MS));
    if (!wanted) return false;
    try {
      await read(wanted, signal);
    } catch (error) {
      await catalogue.kfSyncs.postpone(wanted, signal.aborted ? clock.now() : inMs(AFTER_FAILURE_MS));
      if (!signal.aborted) {
        log.warn(
          { err: error, account: wanted.account },
          'customer-service messages could not be read; again soon',
        );
      }
    }
    return true;
  }

  return {
    syncOne,
    /** Until the signal aborts. Never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        const busy = await syncOne(signal).catch(() => false);
        if (!busy) await clock.sleep(LOOK_MS, signal).catch(() => undefined);
      }
    },
  };
}
