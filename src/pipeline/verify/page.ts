/** A page of a verification: a few seconds of work whose progress is recorded before the next page starts. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Finding, VerificationOptions } from '../../catalogue/verification/verifications.ts';
import { FailureError } from '../../failures.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Store } from '../../storage/store.ts';
import { createThrottle, type Throttle } from './throttle.ts';

/** The result for one row or object. `finding` is absent where it is as it should be. */
export interface CheckResult {
  readonly what: string;
  readonly finding?: Finding;
  readonly bytes?: number;
}

export interface Page {
  readonly results: readonly CheckResult[];
  /** Where the next page starts. Undefined after the last page. */
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
  /** Objects younger than this may belong to a running attempt: they are never removed. */
  safeAgeMs: number;
  /** After so many milliseconds progress is recorded, also in the middle of a page. */
  pageMs: number;
}

/** What one verification was asked for, and its rate limits. */
export interface ScanContext {
  /** Makes the sample of each verification a different one. */
  readonly id: string;
  readonly options: VerificationOptions;
  readonly by: { readonly actor: string; readonly reason: string };
  readonly bytes: Throttle;
  readonly objects: Throttle;
}

/** Checks one page. `after`: where the page before ended; empty at the start. */
export type Scan = (deps: ScanDeps, of: ScanContext, after: string, signal: AbortSignal) => Promise<Page>;

/**
 * Resolves with a description of a failure that concerns one object alone. Rejects with the error where the store as a
 * whole fails: then the verification is interrupted and continued later.
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
  // The response was cut off or an error of the store: the check rejects where other objects fail too.
  await store.checkHealth(signal);
  return detail;
}

export const PAGE_SIZE = 100;
const AT_ONCE = 4;
/** The default rates leave capacity for archiving and for other users of the store. */
const BYTES_PER_SECOND = 50 * 1024 * 1024;
const OBJECTS_PER_SECOND = 200;

export function createThrottles(options: VerificationOptions, clock: Pick<Clock, 'sleep'>) {
  const { bytesPerSecond = BYTES_PER_SECOND, objectsPerSecond = OBJECTS_PER_SECOND } = options.rate ?? {};
  return {
    bytes: createThrottle(bytesPerSecond, clock),
    objects: createThrottle(objectsPerSecond, clock),
  };
}

/** Checks items in order, a few at once, until all are done or progress is to be recorded. */
export async function checkInOrder<T>(
  items: readonly T[],
  pageMs: number,
  check: (item: T) => Promise<CheckResult>,
): Promise<{ results: CheckResult[]; isComplete: boolean }> {
  const startedAtMs = performance.now();
  const results: CheckResult[] = [];
  while (results.length < items.length) {
    const group = items.slice(results.length, results.length + AT_ONCE);
    // All of a group end before its first error is thrown, so that none runs on beside the next attempt.
    for (const outcome of await Promise.allSettled(group.map(check))) {
      if (outcome.status === 'rejected') throw outcome.reason;
      results.push(outcome.value);
    }
    if (performance.now() - startedAtMs > pageMs) break;
  }
  return { results, isComplete: results.length === items.length };
}
