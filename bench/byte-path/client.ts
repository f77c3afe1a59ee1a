/** The measured process: moves files one way, and tells what that cost it. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { serveParent } from '../child.ts';
import {
  openFloorMultipart,
  openFloorProven,
  openFloorStream,
  openFloorTwice,
  openFloorWhole,
} from './floor.ts';
import { openNaive } from './naive.ts';
import { openProduct } from './product.ts';
import type { File, OpenVariant, Way } from './variant.ts';

export interface Burst {
  readonly file: File;
  readonly files: number;
  readonly concurrency: number;
}

export interface Cost {
  /** User and system time of this process. */
  readonly cpuMs: number;
  readonly wallMs: number;
}

const WAYS: Readonly<Record<string, OpenVariant>> = {
  product: openProduct({ byteBudgetBytes: Number(process.env.BENCH_BYTE_BUDGET ?? 256 * 1024 * 1024) }),
  naive: openNaive,
  whole: openFloorWhole,
  stream: openFloorStream,
  parts: openFloorMultipart,
  proven: openFloorProven,
  twice: openFloorTwice,
};

let way: Way;
const delay = monitorEventLoopDelay({ resolution: 20 });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function run({ file, files, concurrency }: Burst): Promise<Cost> {
  let begun = 0;
  const runOne = async () => {
    while (begun++ < files) await way.move(file);
  };
  const before = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: Math.min(concurrency, files) }, runOne));
  const { user, system } = process.cpuUsage(before);
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - startedAt };
}

serveParent({
  open: ({ name, ...ends }: { name: string; originUrl: string; sinkUrl: string }) => {
    const open = WAYS[name];
    if (!open) throw new Error(`no way ${name}`);
    way = open(ends);
  },
  run,
  collect: () => {
    collect();
    // From here on it is looked at; the byte path's own figures do without.
    delay.enable();
  },
  memory: () => {
    const { rss, heapUsed, external } = process.memoryUsage();
    const loopDelayP99Ms = delay.percentile(99) / 1e6;
    delay.reset();
    return { rssBytes: rss, heapBytes: heapUsed, externalBytes: external, loopDelayP99Ms };
  },
});
