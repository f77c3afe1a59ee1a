/**
 * Whether the catalogue is there. Once it is known to be away nobody waits for it: one probe at a time looks for it
 * in the background, and what was put aside meanwhile is replayed when it is back.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseAwayError } from '../../catalogue/database/database.ts';
import type { Log } from '../../runtime/log.ts';
import { createWakeSignal } from '../../runtime/wake-signal.ts';

export interface DatabaseAvailability {
  /** The catalogue did not answer when last asked. */
  readonly isDown: boolean;
  /** The answer to what the catalogue is asked; throws DatabaseAwayError where it takes too long. */
  withTimeout<T>(work: Promise<T>): Promise<T>;
  /** It did not answer. */
  setDown(why: unknown): void;
  /** Somebody else met an error of the catalogue: worth a look. */
  suspect(): void;
  /** There is something to replay. */
  notify(): void;
  /** Probes and replays until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export interface DatabaseAvailabilityDeps {
  catalogue: Pick<Catalogue, 'ping'>;
  log: Pick<Log, 'info' | 'warn'>;
  /** Writes what was put aside. */
  replay(signal: AbortSignal): Promise<void>;
  /** The catalogue is there, and yet a replay failed; it is tried again. */
  onReplayError(error: unknown): void;
}

export interface DatabaseAvailabilityTiming {
  /** How long the catalogue may take before the spool is asked; WeChat cuts after 5 s. */
  timeoutMs?: number;
  retryMs?: number;
  pollMs?: number;
}

export function createDatabaseAvailability(
  { catalogue, log, replay, onReplayError: onTrouble }: DatabaseAvailabilityDeps,
  {
    timeoutMs: directMs = 2_500,
    retryMs: probeMs = 500,
    pollMs: lookMs = 10_000,
  }: DatabaseAvailabilityTiming,
): DatabaseAvailability {
  const bell = createWakeSignal();
  let isAway = false;
  let isSuspect = false;

  async function inTime<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const tooLate = () => reject(new DatabaseAwayError(`no answer of the catalogue within ${directMs} ms`));
      timer = setTimeout(tooLate, directMs);
    });
    // What comes too late is written all the same: once by itself, once from the spool, and that is one row.
    work.catch(() => undefined);
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  function missed(why: unknown): void {
    if (isAway) return;
    isAway = true;
    log.warn({ err: why }, 'the catalogue is away: what must be durable goes into the spool');
    bell.notify();
  }

  function found(): void {
    if (isAway) log.info('the catalogue is back');
    isAway = false;
  }

  /** One look: is the catalogue there, and what can be replayed? */
  async function look(signal: AbortSignal): Promise<void> {
    if (isAway || isSuspect) {
      const answer = catalogue.ping();
      await inTime(answer).catch(missed);
      // One probe at a time: a database that was stopped answers this one when it goes on.
      await answer;
    }
    isSuspect = false;
    found();
    await replay(signal);
  }

  return {
    get isDown() {
      return isAway;
    },
    withTimeout: inTime,
    setDown: missed,
    suspect: () => {
      isSuspect = true;
      if (!isAway) bell.notify();
    },
    notify: bell.notify,
    run: async (signal) => {
      const ended = new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
      while (!signal.aborted) {
        bell.clear();
        let isTrouble = false;
        // A probe of a database that hangs lasts as long as its pool has patience; closing does not wait for it.
        const looking = look(signal).catch((error) => {
          if (signal.aborted) return;
          isTrouble = true;
          if (error instanceof DatabaseAwayError) missed(error);
          else onTrouble(error);
        });
        await Promise.race([looking, ended]);
        if (isTrouble) {
          // Nothing rings it awake: every callback of an outage would.
          await wait(probeMs, undefined, { signal }).catch(() => undefined);
        } else await bell.wait(lookMs, signal);
      }
    },
  };
}
