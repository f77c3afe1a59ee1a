/** The parts of the benchmark, in the order they are run. */
import { measureBacklog } from './backlog/backlog.ts';
import { measureBytePath } from './byte-path/byte-path.ts';
import { measureEndToEnd } from './end-to-end/end-to-end.ts';
import { measureGrowth } from './growth/growth.ts';
import { measureIngest } from './ingest/ingest.ts';
import { measureMemory } from './memory/memory.ts';
import type { Part } from './part.ts';
import { measureStart } from './start/start.ts';

export const PARTS: Readonly<Record<string, Part>> = {
  'byte-path': measureBytePath,
  'end-to-end': measureEndToEnd,
  ingest: measureIngest,
  memory: measureMemory,
  growth: measureGrowth,
  start: measureStart,
  backlog: measureBacklog,
};
