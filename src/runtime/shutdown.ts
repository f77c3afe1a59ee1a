/** Closes a program by named steps in order, each with a time limit. */
import type { Log } from './log.ts';
import { withTimeout } from './timeout.ts';

export interface Shutdown {
  /** Adds a step. The step that was added last runs first, so that each part closes before the parts that it uses. */
  step(name: string, close: () => Promise<unknown> | unknown, limitMs?: number): void;
  /** Runs all steps once; a second call waits for the first. Never throws: a failed step is logged. */
  run(reason: string): Promise<void>;
  /** Aborts when closing begins. Loops and waits use it. */
  readonly signal: AbortSignal;
}

const STEP_LIMIT_MS = 10_000;

export function createShutdown(log: Pick<Log, 'debug' | 'info' | 'warn'>): Shutdown {
  const steps: { name: string; close: () => unknown; limitMs: number }[] = [];
  const controller = new AbortController();
  let running: Promise<void> | undefined;

  async function runStep(step: (typeof steps)[number]): Promise<void> {
    const startedAt = performance.now();
    try {
      await withTimeout(async () => step.close(), step.limitMs, step.name);
      log.debug({ step: step.name, ms: Math.round(performance.now() - startedAt) }, 'shutdown: step done');
    } catch (error) {
      log.warn({ step: step.name, err: error }, 'shutdown: step failed');
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

/** Closes on SIGTERM and SIGINT. A second signal exits at once. */
export function closeOnSignals(shutdown: Shutdown, exit: (code: number) => void = process.exit): void {
  let isClosing = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isClosing) exit(signal === 'SIGINT' ? 130 : 143);
      isClosing = true;
      void shutdown.run(signal).then(() => exit(0));
    });
  }
}
