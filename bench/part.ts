/** What a part of the benchmark is given and answers. */
import type { PartResult } from './report.ts';

export interface PartOptions {
  /** Smaller everything, so that all parts together end within two minutes. */
  readonly quick: boolean;
  /** How often each variant is measured; medians are taken over these. */
  readonly rounds: number;
  /** Options of a single part, given as `--set name=value`. */
  readonly set: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export type Part = (options: PartOptions) => Promise<PartResult>;
