/**
 * Checks cheaply whether the store can be used: a read each time, and a write (store-probe.ts) at the start of the
 * program and then once an hour, because a store may serve reads and refuse every write.
 */
import { type Failure, FailureError } from '../../failures.ts';
import { untilAborted } from '../../runtime/timeout.ts';
import type { Store } from '../../storage/store.ts';
import type { StoreProbe } from './store-probe.ts';

export interface StoreHealth {
  /**
   * Resolves with what is wrong with the store (codes of ../../store-failures.ts), or with undefined. Rejects with the
   * signal's reason only. Calls at the same time share one write.
   */
  check(signal: AbortSignal): Promise<Failure | undefined>;
}

/** How long the result of a successful write is used. */
const ACCEPTED_MS = 3_600_000;
/** How long the result of a failed write is used. While archiving is held, the probes of the hold end it sooner. */
const REFUSED_MS = 30_000;
/** Longer than a probe may take. */
const WRITE_MS = 15_000;

export function createStoreHealth(deps: {
  store: Pick<Store, 'checkHealth'>;
  probe: StoreProbe;
}): StoreHealth {
  let written: { readonly atMs: number; readonly why: Failure | undefined } | undefined;
  let writing: Promise<Failure | undefined> | undefined;

  const isFresh = () =>
    written !== undefined && performance.now() - written.atMs < (written.why ? REFUSED_MS : ACCEPTED_MS);

  function write(): Promise<Failure | undefined> {
    writing ??= deps
      .probe(AbortSignal.timeout(WRITE_MS))
      .then((why) => {
        written = { atMs: performance.now(), why };
        return why;
      })
      .finally(() => {
        writing = undefined;
      });
    return writing;
  }

  return {
    check: async (signal) => {
      try {
        await deps.store.checkHealth(signal);
        return isFresh() ? written?.why : await untilAborted(write(), signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FailureError)) throw error;
        // Once reads work again, a write has to show that writes do too.
        written = undefined;
        return error.failure;
      }
    },
  };
}
