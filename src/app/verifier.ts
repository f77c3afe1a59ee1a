/** Comparing catalogue and bucket, in whatever process sweeps. */
import { createVerifier, type VerifyOptions } from '../pipeline/verify/verifier.ts';
import type { AppContext } from './app-context.ts';

export function startVerifier(parts: AppContext, timing: VerifyOptions = {}): void {
  const { config, catalogue, store, clock, log, shutdown } = parts;
  const verifier = createVerifier({ catalogue, store, clock, log, prefix: config.objects.prefix }, timing);
  const running = verifier.run(shutdown.signal);
  shutdown.step('verifier', () => running);
}
