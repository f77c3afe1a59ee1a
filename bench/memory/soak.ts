/** The whole program for an hour, at a rate that leaves it time: does the heap come back to what it was? */
import { setTimeout as wait } from 'node:timers/promises';
import { withBenchServers } from '../bench-servers.ts';
import type { Sent } from '../callback-sender.ts';
import { startProgram, waitForObjects } from '../end-to-end/running.ts';
import type { PartOptions } from '../part.ts';
import { type Bar, type Cell, percentile, type Table } from '../report.ts';
import { missingFor, SHAPE_NAMES, type Shape } from '../shapes.ts';

const MIB = 1024 * 1024;
const EVERY_MS = 6_000;
const PICTURES = 60;
const VIDEOS = 3;
const VIDEO_BYTES = 20 * MIB;

export function soak(
  minutes: number,
  shape: Shape,
  options: PartOptions,
): Promise<{ tables: Table[]; bars: Bar[]; notes: string[] }> {
  return withBenchServers(options, async (stage) => {
    const { services, sender, sink } = stage;
    const missing = missingFor(shape, services);
    if (missing) return { tables: [], bars: [], notes: [`NOT MEASURED: soak: ${missing}`] };
    const program = await startProgram(shape, stage, { BYTE_BUDGET: '64MiB' });
    const heaps: number[] = [];
    const rss: number[] = [];
    const loop: number[] = [];
    let sent = 0;
    let refusals = 0;
    let cycles = 0;
    const cycle = async () => {
      const run = `soak${++cycles}`;
      await sender.call('prepare', { count: PICTURES, sizeBytes: 100 * 1024, run });
      await sender.call('prepare', { count: VIDEOS, sizeBytes: VIDEO_BYTES, run, kind: 'video' });
      const count = PICTURES + VIDEOS;
      const { refused } = await sender.call<Sent>('send', { url: program.url, count, concurrency: 16 });
      // On a machine that others keep busy an hour has moments in which 503 is the honest answer.
      refusals += refused;
      await waitForObjects(sink, count - refused, options.signal);
      await sink.call('take');
      sent += count - refused;
    };
    // Code that is compiled and caches that fill up are no leak.
    for (let index = 0; index < 40; index++) await cycle();
    const endAt = performance.now() + minutes * 60_000;
    while (performance.now() < endAt) {
      const nextAt = performance.now() + EVERY_MS;
      await cycle();
      const busy = await program.usage();
      await program.collect();
      const { heapBytes } = await program.usage();
      heaps.push(heapBytes);
      rss.push(busy.rssBytes);
      loop.push(busy.loopDelayP99Ms);
      await wait(Math.max(0, nextAt - performance.now()));
    }
    const quarter = Math.max(1, heaps.length >> 2);
    const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
    const [first, last] = [mean(heaps.slice(0, quarter)), mean(heaps.slice(-quarter))];
    const row: Cell[] = [
      SHAPE_NAMES[shape],
      last / first,
      first / MIB,
      last / MIB,
      mean(rss.slice(0, quarter)) / MIB,
      mean(rss.slice(-quarter)) / MIB,
      Math.max(...rss) / MIB,
      percentile(loop, 0.5),
      percentile(loop, 0.99),
      sent,
      refusals,
    ];
    return {
      tables: [
        {
          title: `Soak of ${minutes} minutes: every ${EVERY_MS / 1000} s ${PICTURES} pictures of 100 KB and ${VIDEOS} videos of 20 MB`,
          columns: [
            'shape',
            'heap: last ÷ first quarter',
            'first MiB',
            'last MiB',
            'RSS first MiB',
            'RSS last MiB',
            'RSS most MiB',
            'loop p99 ms, median',
            'loop p99 ms, p99',
            'media',
            'refused',
          ],
          rows: [row],
        },
      ],
      bars: [
        {
          what: `soak of ${minutes} minutes: heap of the last quarter over the first`,
          measured: last / first,
          atMost: 1.05,
        },
      ],
      notes: [],
    };
  });
}
