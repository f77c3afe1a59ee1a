/** Keeps a few converter processes, limits how many conversions run and wait, and ends processes that are idle. */
import { createLimiter, type Release } from '../../runtime/concurrency/limiter.ts';
import type { ConverterLimits } from '../limits.ts';
import { PreviewUnavailableError } from '../reasons.ts';
import { type ConverterProcess, createConverterProcess } from './converter-process.ts';

export interface ConverterPoolOptions {
  readonly limits: ConverterLimits;
  /** How many conversions run at once, each in a process of its own. */
  readonly running: number;
  /** How many further ones may wait. */
  readonly waiting: number;
  readonly waitMs: number;
  /** How long a process without work is kept. A new one takes 0.1 to 0.2 s to start. */
  readonly idleMs: number;
}

export interface ConverterPool {
  /**
   * Runs `work` when there is a place for it. `work` gets the process that is to be used. Rejects with a
   * PreviewUnavailableError `busy` if too many wait or the wait is too long, and with the signal's reason when it aborts
   * during the wait.
   */
  run<T>(work: (converter: () => ConverterProcess) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Kills all processes: conversions in progress reject. */
  close(): Promise<void>;
}

const KEY = 'converter';

export function createConverterPool(options: ConverterPoolOptions): ConverterPool {
  const limiter = createLimiter();
  const processes = new Set<ConverterProcess>();
  const idle = new Map<ConverterProcess, NodeJS.Timeout>();
  /** The conversions that run or wait. */
  let inHand = 0;
  let isClosed = false;

  function take(): ConverterProcess {
    if (isClosed) throw new PreviewUnavailableError('failed', { cause: new Error('closing') });
    for (const [converter, timer] of idle) {
      clearTimeout(timer);
      idle.delete(converter);
      if (converter.isUsable) return converter;
      void end(converter);
    }
    const converter = createConverterProcess(options.limits);
    processes.add(converter);
    return converter;
  }

  async function end(converter: ConverterProcess): Promise<void> {
    await converter.close();
    processes.delete(converter);
  }

  function giveBack(converter: ConverterProcess): void {
    if (isClosed || !converter.isUsable) return void end(converter);
    const timer = setTimeout(() => {
      idle.delete(converter);
      void end(converter);
    }, options.idleMs);
    // The process itself keeps the program running until it is closed.
    timer.unref();
    idle.set(converter, timer);
  }

  return {
    run: async (work, signal) => {
      signal.throwIfAborted();
      if (inHand >= options.running + options.waiting) throw new PreviewUnavailableError('busy');
      inHand++;
      let converter: ConverterProcess | undefined;
      let release: Release | undefined;
      try {
        release = await limiter.acquire(KEY, { limit: options.running, waitMs: options.waitMs }, signal);
        if (!release) throw new PreviewUnavailableError('busy');
        return await work(() => {
          converter ??= take();
          return converter;
        });
      } finally {
        inHand--;
        if (converter) giveBack(converter);
        release?.();
      }
    },
    close: async () => {
      isClosed = true;
      for (const timer of idle.values()) clearTimeout(timer);
      idle.clear();
      await Promise.all([...processes].map(end));
    },
  };
}
