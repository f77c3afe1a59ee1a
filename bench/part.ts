/** The options and the result of a part of the benchmark. */
import type { PartResult } from './report.ts';

export interface PartOptions {
  /** Smaller everything, so that all parts together end within two minutes. */
  readonly quick: boolean;
  /** How often each variant is measured; medians are taken over these. */
  readonly rounds: number;
  /** Options of a single part, set by `--set name=value`. */
  readonly set: Readonly<Record<string, string>>;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

export type Part = (options: PartOptions) => Promise<PartResult>;
