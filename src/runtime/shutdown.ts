/** Closing is a list: named steps, in order, each with a time limit. */
import type { Log } from './log.ts';

export interface Shutdown {
  /** Adds a step. Steps run last added, first closed, so that each part closes before what it stands on. */
  step(name: string, close: () => Promise<unknown> | unknown, limitMs?: number): void;
  /** Runs all steps once; a second call waits for the first. Never throws: a failed step is logged. */
  run(reason: string): Promise<void>;
  /** Aborted when closing begins: for loops and waits. */
  readonly signal: AbortSignal;
}

const STEP_LIMIT_MS = 10_000;

export function createShutdown(log: Pick<Log, 'debug' | 'info' | 'warn'>): Shutdown {
  const steps: { name: string; close: () => unknown; limitMs: number }[] = [];
  const controller = new AbortController();
  let running: Promise<void> | undefined;

  async function runStep(step: (typeof steps)[number]): Promise<void> {
    const startedAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`took longer than ${step.limitMs} ms`)), step.limitMs);
    });
    try {
      await Promise.race([(async () => step.close())(), limit]);
      log.debug({ step: step.name, ms: Math.round(performance.now() - startedAt) }, 'closed a part');
    } catch (error) {
      log.warn({ step: step.name, err: error }, 'did not close cleanly');
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    step: (name, close, limitMs = STEP_LIMIT_MS) => {
      steps.push({ name, close, limitMs });
    },
    run: (reason) => {
      running ??= (async () => {
        log.info({ reason }, 'closing');
        controller.abort(new Error(`closing: ${reason}`));
        for (const step of steps.toReversed()) await runStep(step);
        log.info('closed');
      })();
      return running;
    },
    signal: controller.signal,
  };
}

/** Closes on SIGTERM and SIGINT; a second signal leaves at once. */
export function closeOnSignals(shutdown: Shutdown, exit: (code: number) => void = process.exit): void {
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) exit(signal === 'SIGINT' ? 130 : 143);
      asked = true;
      void shutdown.run(signal).then(() => exit(0));
    });
  }
}
