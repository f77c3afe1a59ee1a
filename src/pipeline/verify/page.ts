/** A page of a comparison: a few seconds' work that is written down before the next begins. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Finding, VerificationOptions } from '../../catalogue/verification/verifications.ts';
import { FailureError } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Store } from '../../storage/store.ts';
import { createThrottle, type Throttle } from './throttle.ts';

/** What one row or object came to. Of what is as it should be only `what` is told. */
export interface CheckResult {
  readonly what: string;
  readonly finding?: Finding;
  readonly bytes?: number;
}

export interface Page {
  readonly results: readonly CheckResult[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: string | undefined;
}

export interface ScanDeps {
  catalogue: {
    media: Pick<Catalogue['media'], 'get' | 'list'>;
    objects: Pick<Catalogue['objects'], 'rowsById' | 'adopt' | 'sampleArchived'>;
  };
  store: Pick<Store, 'bucket' | 'head' | 'get' | 'checkHealth' | 'list' | 'delete'>;
  clock: Clock;
  prefix: string;
  /** Objects younger than this may be somebody's work in progress: they are never removed. */
  safeAgeMs: number;
  /** Then what is done is written down, also in the middle of a page. */
  pageMs: number;
}

/** What one comparison is given besides. */
export interface ScanContext {
  /** Makes the places of a sample this comparison's own. */
  readonly id: string;
  readonly options: VerificationOptions;
  readonly by: { readonly actor: string; readonly reason: string };
  readonly bytes: Throttle;
  readonly objects: Throttle;
}

/** `after`: where the page before ended; empty at the beginning. */
export type Scan = (deps: ScanDeps, of: ScanContext, after: string, signal: AbortSignal) => Promise<Page>;

/**
 * What is wrong with one object alone. Rejects where it is the store as a whole: then the comparison stands still and
 * goes on later.
 */
export async function describeSingleFailure(
  { store }: Pick<ScanDeps, 'store'>,
  error: unknown,
  signal: AbortSignal,
): Promise<string> {
  if (signal.aborted || !(error instanceof FailureError)) throw error;
  const { code, detail = code } = error.failure;
  if (code === 'store_refused') return detail;
  if (code !== 'store_unavailable') throw error;
  // It broke off, or was an error of the store's: for this object, or for all?
  await store.checkHealth(signal);
  return detail;
}

export const PAGE_SIZE = 100;
const AT_ONCE = 4;
/** Unless asked for otherwise: a store shared with the archiving, and with others, is not crowded out. */
const BYTES_PER_SECOND = 50 * 1024 * 1024;
const OBJECTS_PER_SECOND = 200;

export function createThrottles(options: VerificationOptions, clock: Pick<Clock, 'sleep'>) {
  const { bytesPerSecond = BYTES_PER_SECOND, objectsPerSecond = OBJECTS_PER_SECOND } = options.rate ?? {};
  return {
    bytes: createThrottle(bytesPerSecond, clock),
    objects: createThrottle(objectsPerSecond, clock),
  };
}

/** Looks at items in order, a few at once, until all are done or it is time to write down how far it is. */
export async function checkInOrder<T>(
  items: readonly T[],
  pageMs: number,
  look: (item: T) => Promise<CheckResult>,
): Promise<{ looked: CheckResult[]; all: boolean }> {
  const startedAt = performance.now();
  const looked: CheckResult[] = [];
  while (looked.length < items.length) {
    const group = items.slice(looked.length, looked.length + AT_ONCE);
    // All settle before the first failure is told: none goes on behind the back of the next try.
    const results = await Promise.allSettled(group.map(look));
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      looked.push(result.value);
    }
    if (performance.now() - startedAt > pageMs) break;
  }
  return { looked, all: looked.length === items.length };
}
