/** Limits waits: races a promise against a timer or a signal. */

/** The work did not end within its time. It may still end later; its result is then ignored. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/**
 * Resolves with the result of `work`. Rejects with a {@link TimeoutError} after `ms` milliseconds, and with the
 * signal's reason when it aborts. The error's message contains `what`. The work itself continues; if it can be aborted,
 * pass it a separate signal.
 */
export async function withTimeout<T>(
  work: Promise<T> | (() => Promise<T>),
  ms: number,
  what: string,
  signal?: AbortSignal,
): Promise<T> {
  if (typeof work !== 'function') ignoreRejection(work);
  signal?.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  let abort = () => {};
  // Not Promise.withResolvers: the published producer also runs on Node 20.
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`${what}: no response within ${ms} ms`)), ms);
    abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
  });
  try {
    // The promise that loses the race may reject later. That is not an unhandled rejection, because Promise.race has
    // subscribed to it.
    return await Promise.race([typeof work === 'function' ? work() : work, late]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Resolves with whether `work` resolved or rejected within `ms` milliseconds; with false also when the signal aborts.
 * Never rejects.
 */
export async function settledWithin(
  work: Promise<unknown>,
  ms: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const settled = work.then(
    () => true,
    () => true,
  );
  return await withTimeout(settled, ms, 'work', signal).catch(() => false);
}

/** Resolves or rejects with `promise`; rejects with the signal's reason when it aborts first. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  ignoreRejection(promise);
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Where the signal has aborted before the race, work that rejects later must not be an unhandled rejection. */
function ignoreRejection(work: Promise<unknown>): void {
  work.catch(() => undefined);
}
