/** The parts of the benchmark, in the order they are run. */
import { measureBacklog } from './backlog/backlog.ts';
import { measureBytePath } from './byte-path/byte-path.ts';
import { measureEndToEnd } from './end-to-end/end-to-end.ts';
import { measureGrowth } from './growth/growth.ts';
import { measureIngest } from './ingest/ingest.ts';
import { measureMemory } from './memory/memory.ts';
import type { PartResult } from './report.ts';
import { measureStart } from './start/start.ts';

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

export const PARTS: Readonly<Record<string, Part>> = {
  'byte-path': measureBytePath,
  'end-to-end': measureEndToEnd,
  ingest: measureIngest,
  memory: measureMemory,
  growth: measureGrowth,
  start: measureStart,
  backlog: measureBacklog,
};
