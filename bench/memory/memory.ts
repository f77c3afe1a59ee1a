/** Part 4: what the bytes in hand cost in memory when the origin is fast and the store is slow. */
import { setTimeout as wait } from 'node:timers/promises';
import { createChildren } from '../children.ts';
import type { Part, PartOptions } from '../parts.ts';
import type { Child } from '../processes.ts';
import { type Bar, type Cell, type PartResult, percentile } from '../report.ts';

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

/** `--set soak=<minutes>` moves videos for so long and compares the heap of the first and the last quarter. */
export const measureMemory: Part = async (options): Promise<PartResult> => {
  const children = createChildren();
  try {
    const origin = await children.start('./origin.ts', { side: 'servers' });
    const sink = await children.start('./sink.ts', {
      side: 'servers',
      env: { BYTES_PER_SECOND: String(STORE_BYTES_PER_SECOND) },
    });
    const ends = { originUrl: await origin.ask<string>('url'), sinkUrl: await sink.ask<string>('url') };
    const openClient = async (name: string) => {
      const client = await children.start('./byte-path/client.ts', {
        side: 'client',
        env: { BENCH_BYTE_BUDGET: String(BUDGET_MIB * MIB) },
      });
      await client.ask('open', { name, ...ends });
      return client;
    };
    const sizeMib = options.quick ? 24 : 200;
    const rows: Cell[][] = [];
    const bars: Bar[] = [];
    const ways = options.quick ? ['product'] : ['product', 'naive'];
    for (const end of ['', '-chunked']) {
      for (const name of ways) {
        const label = `${name}, ${AT_ONCE} × ${sizeMib} MB${end ? ', no length' : ''}`;
        options.say(`  ${label} …`);
        const client = await openClient(name);
        const peak = await peakOf(client, { sizeMib, end }, options);
        await client.stop();
        rows.push([label, peak.grownMib, peak.baseMib, peak.externalMib, peak.loopP99Ms, peak.seconds]);
        if (name === 'product')
          bars.push({ what: `${label}: MiB over base`, measured: peak.grownMib, atMost: RSS_LIMIT_MIB });
      }
    }
    const soak = options.set.soak ? await soakOf(await openClient('product'), options) : undefined;
    if (soak) bars.push(...soak.bars);
    return {
      tables: [
        {
          title: `Peak memory, BYTE_BUDGET=${BUDGET_MIB}MiB, a store of ${STORE_BYTES_PER_SECOND / MIB} MiB/s`,
          columns: ['way', 'peak RSS over base MiB', 'base MiB', 'peak buffers MiB', 'loop p99 ms', 's'],
          rows,
        },
        ...(soak ? [soak.table] : []),
      ],
      bars,
      notes: [
        'Base is the RSS after a small file and a collection. The naive way knows no budget.',
        ...(soak ? [] : ['No soak in this run: --set soak=60 runs one for an hour.']),
      ],
    };
  } finally {
    await children.stop();
  }
};

async function peakOf(client: Child, how: { sizeMib: number; end: string }, options: PartOptions) {
  const file = (sizeBytes: number, end = '') => ({
    mediaId: `video-${sizeBytes}${end}`,
    sizeBytes,
    kind: 'video',
  });
  await client.ask('run', { file: file(9 * MIB), files: 2, concurrency: 1 });
  await client.ask('collect');
  const base = await client.ask<Memory>('memory');
  const startedAt = performance.now();
  let ended = false;
  const running = client
    .ask('run', { file: file(how.sizeMib * MIB, how.end), files: AT_ONCE, concurrency: AT_ONCE })
    .finally(() => {
      ended = true;
    });
  running.catch(() => undefined);
  const seen: Memory[] = [base];
  while (!ended) {
    options.signal.throwIfAborted();
    seen.push(await client.ask<Memory>('memory'));
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

async function soakOf(client: Child, options: PartOptions) {
  const endAt = performance.now() + Number(options.set.soak) * 60_000;
  const heaps: number[] = [];
  const rss: number[] = [];
  const loop: number[] = [];
  const video = { mediaId: `video-${20 * MIB}`, sizeBytes: 20 * MIB, kind: 'video' };
  const picture = { mediaId: `image-${100 * 1024}`, sizeBytes: 100 * 1024, kind: 'image' };
  while (performance.now() < endAt) {
    options.signal.throwIfAborted();
    await client.ask('run', { file: video, files: 16, concurrency: AT_ONCE });
    await client.ask('run', { file: picture, files: 500, concurrency: AT_ONCE });
    await client.ask('collect');
    const memory = await client.ask<Memory>('memory');
    heaps.push(memory.heapBytes);
    rss.push(memory.rssBytes);
    loop.push(memory.loopDelayP99Ms);
  }
  const quarter = Math.max(1, heaps.length >> 2);
  const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const growth = mean(heaps.slice(-quarter)) / mean(heaps.slice(0, quarter));
  return {
    table: {
      title: `Soak of ${options.set.soak} minutes`,
      columns: ['last ÷ first quarter of heap', 'samples', 'heap MiB', 'RSS MiB', 'loop p99 ms'],
      rows: [
        [growth, heaps.length, heaps.at(-1)! / MIB, Math.max(...rss) / MIB, percentile(loop, 0.99)],
      ] as Cell[][],
    },
    bars: [{ what: 'soak: heap of the last quarter over the first', measured: growth, atMost: 1.05 }],
  };
}
