/** Part 4: what the bytes in hand cost in memory when the origin is fast and the store is slow. */
import { setTimeout as wait } from 'node:timers/promises';
import { createChildren } from '../children.ts';
import type { Part, PartOptions } from '../part.ts';
import type { Child } from '../processes.ts';
import { type Bar, type Cell, type PartResult, percentile, type Table } from '../report.ts';
import type { Shape } from '../shapes.ts';
import { peakEmbedded } from './embedded.ts';
import { soak } from './soak.ts';

const MIB = 1024 * 1024;
const AT_ONCE = 16;
const BUDGET_MIB = 64;
const RSS_LIMIT_MIB = 128;
/** Slow enough that all budgets fill up, fast enough that the part ends. */
const STORE_BYTES_PER_SECOND = 200 * MIB;

interface Memory {
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly loopDelayP99Ms: number;
}

/**
 * `--set only=peak`, `embedded` or `soak` for one of them. `--set soak=<minutes>` runs the whole program for so long,
 * in `--set shape=…`.
 */
export const measureMemory: Part = async (options): Promise<PartResult> => {
  const { only, soak: minutes, shape = 'redis' } = options.set;
  const wanted = (name: string) => only === undefined || only === name;
  const peaks = wanted('peak') ? await measurePeaks(options) : undefined;
  const embedded = wanted('embedded') ? await peakEmbedded(options) : undefined;
  const soaked = minutes && wanted('soak') ? await soak(Number(minutes), shape as Shape, options) : undefined;
  const results = [peaks, embedded, soaked].filter((one) => one !== undefined);
  return {
    tables: results.flatMap((one) => one.tables),
    bars: results.flatMap((one) => one.bars),
    notes: [
      'Base is the RSS after a small file and a collection. The naive way knows no budget.',
      ...(soaked ? soaked.notes : ['No soak in this run: --set soak=60 runs one for an hour.']),
    ],
  };
};

async function measurePeaks(options: PartOptions): Promise<{ tables: Table[]; bars: Bar[] }> {
  const children = createChildren();
  try {
    const origin = await children.start('./wechat-stand-in.ts', { side: 'servers' });
    const sink = await children.start('./store-stand-in.ts', {
      side: 'servers',
      env: { BYTES_PER_SECOND: String(STORE_BYTES_PER_SECOND) },
    });
    const ends = { originUrl: await origin.call<string>('url'), sinkUrl: await sink.call<string>('url') };
    const sizeMib = options.quick ? 16 : 200;
    const rows: Cell[][] = [];
    const bars: Bar[] = [];
    const ways = options.quick ? ['product'] : ['product', 'naive'];
    for (const end of options.quick ? [''] : ['', '-chunked']) {
      for (const name of ways) {
        const label = `${name}, ${AT_ONCE} × ${sizeMib} MB${end ? ', no length' : ''}`;
        options.print(`  ${label} …`);
        const client = await children.start('./byte-path/client.ts', {
          side: 'client',
          env: { BENCH_BYTE_BUDGET: String(BUDGET_MIB * MIB) },
        });
        await client.call('open', { name, ...ends });
        const peak = await peakOf(client, { sizeMib, end }, options);
        await client.stop();
        rows.push([label, peak.grownMib, peak.baseMib, peak.externalMib, peak.loopP99Ms, peak.seconds]);
        if (name === 'product')
          bars.push({ what: `${label}: MiB over base`, measured: peak.grownMib, atMost: RSS_LIMIT_MIB });
      }
    }
    const table = {
      title: `Peak memory, BYTE_BUDGET=${BUDGET_MIB}MiB, a store of ${STORE_BYTES_PER_SECOND / MIB} MiB/s`,
      columns: ['way', 'peak RSS over base MiB', 'base MiB', 'peak buffers MiB', 'loop p99 ms', 's'],
      rows,
    };
    return { tables: [table], bars };
  } finally {
    await children.stop();
  }
}

async function peakOf(client: Child, how: { sizeMib: number; end: string }, options: PartOptions) {
  const file = (sizeBytes: number, end = '') => ({
    mediaId: `video-${sizeBytes}${end}`,
    sizeBytes,
    kind: 'video',
  });
  await client.call('run', { file: file(9 * MIB), files: 2, concurrency: 1 });
  await client.call('collect');
  const base = await client.call<Memory>('memory');
  const startedAt = performance.now();
  let ended = false;
  const running = client
    .call('run', { file: file(how.sizeMib * MIB, how.end), files: AT_ONCE, concurrency: AT_ONCE })
    .finally(() => {
      ended = true;
    });
  running.catch(() => undefined);
  const seen: Memory[] = [base];
  while (!ended) {
    options.signal.throwIfAborted();
    seen.push(await client.call<Memory>('memory'));
    await wait(50);
  }
  await running;
  const peak = (read: (memory: Memory) => number) => Math.max(...seen.map(read));
  return {
    baseMib: base.rssBytes / MIB,
    grownMib: (peak((memory) => memory.rssBytes) - base.rssBytes) / MIB,
    externalMib: peak((memory) => memory.externalBytes) / MIB,
    loopP99Ms: percentile(
      seen.slice(1).map((memory) => memory.loopDelayP99Ms),
      0.99,
    ),
    seconds: (performance.now() - startedAt) / 1000,
  };
}
