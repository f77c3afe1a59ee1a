/**
 * Whether the store can be used, as cheaply as that can be known: a read each time, and a real write (canary.ts) at the
 * start of the program and then once an hour, because a store may answer reads and refuse every write.
 */
import { type Failure, FailureError } from '../../failures.ts';
import type { Store } from '../../storage/store.ts';
import type { StoreProbe } from './store-probe.ts';

export interface StoreHealth {
  /**
   * What is wrong with the store, in a code of ../store-failures.ts; undefined: nothing. Rejects with the signal's
   * reason, never otherwise. A write that is under way is shared by all who look.
   */
  check(signal: AbortSignal): Promise<Failure | undefined>;
}

/** How long a write that was taken says that the next one would be. */
const TAKEN_MS = 3_600_000;
/** How long one that was not taken says so. Where archiving is held, its own probes find the end sooner. */
const REFUSED_MS = 30_000;
/** Longer than a canary may take. */
const WRITE_MS = 15_000;

export function createStoreHealth(deps: {
  store: Pick<Store, 'checkHealth'>;
  probe: StoreProbe;
}): StoreHealth {
  let written: { readonly atMs: number; readonly why: Failure | undefined } | undefined;
  let writing: Promise<Failure | undefined> | undefined;

  const isFresh = () =>
    written !== undefined && performance.now() - written.atMs < (written.why ? REFUSED_MS : TAKEN_MS);

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
        return isFresh() ? written?.why : await settledOrAborted(write(), signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FailureError)) throw error;
        // Read or not: once it answers again, it is to be shown that it takes writes as well.
        written = undefined;
        return error.failure;
      }
    },
  };
}

/** What is waited for goes on for the others. */
export async function settledOrAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return await new Promise<T>((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
