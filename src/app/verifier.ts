/** Starts the verifier in a process that sweeps. */
import { createVerifier, type VerifyOptions } from '../pipeline/verify/verifier.ts';
import type { AppContext } from './app-context.ts';

export function startVerifier(parts: AppContext, timing: VerifyOptions = {}): void {
  const { config, catalogue, store, clock, log, metrics, shutdown } = parts;
  const verifier = createVerifier(
    { catalogue, store, clock, log, metrics, prefix: config.objects.prefix },
    timing,
  );
  const running = verifier.run(shutdown.signal);
  shutdown.step('verifier', () => running);
}
