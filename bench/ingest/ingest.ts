/** Part 3: how many callbacks a second are written down in time, beside a bare route with one insert; and a burst. */
import { setTimeout as wait } from 'node:timers/promises';
import { type BenchServers, openFloors, withBenchServers } from '../bench-servers.ts';
import type { Sent } from '../callback-sender.ts';
import { type Running, startProgram } from '../end-to-end/running.ts';
import type { Part } from '../part.ts';
import { type Bar, type Cell, median, type PartResult, percentile } from '../report.ts';
import { missingFor, SHAPE_NAMES, type Shape, shapesOf } from '../shapes.ts';

const SENDERS = [4, 8, 16, 32, 64];
const P99_LIMIT_MS = 50;
const BURST = 20_000;
const BURST_SENDERS = 256;
const BURST_RSS_LIMIT_MIB = 256;
const PICTURE_BYTES = 100 * 1024;

export const measureIngest: Part = (options) => withBenchServers(options, measureShapes);

async function measureShapes(stage: BenchServers): Promise<PartResult> {
  const { options, services } = stage;
  const rates: Cell[][] = [];
  const steps: Cell[][] = [];
  const bursts: Cell[][] = [];
  const bars: Bar[] = [];
  const notes = [
    `Safe mode; the highest rate whose p99 stays under ${P99_LIMIT_MS} ms with ${SENDERS.join(', ')} senders at once.`,
    'Postgres shapes: the server program, workers elsewhere. Embedded: everything in one process, one item at a time.',
    'The sender shares its core with Postgres: rates are lower than of a machine of its own, for both sides alike.',
  ];
  for (const shape of shapesOf(options)) {
    const missing = missingFor(shape, services);
    const name = SHAPE_NAMES[shape];
    if (missing) {
      notes.push(`NOT MEASURED: ${name}: ${missing}`);
      continue;
    }
    options.print(`  ${name} …`);
    const { program, bare, byStep } = await measureRates(shape, stage);
    steps.push(...byStep);
    rates.push([name, program.rate / bare.rate, program.rate, program.p99Ms, bare.rate, bare.p99Ms]);
    bars.push({
      what: `${name}: callbacks/s over the bare route`,
      measured: program.rate / bare.rate,
      atLeast: 0.7,
    });
    if (options.quick) continue;
    const burst = await measureBurst(shape, stage);
    bursts.push([
      name,
      burst.refused,
      burst.perSecond,
      burst.p99Ms,
      burst.grownMiB,
      burst.loopP99Ms,
      burst.during,
      burst.after,
    ]);
    bars.push({
      what: `${name}: MiB grown by a burst of ${BURST}`,
      measured: burst.grownMiB,
      atMost: BURST_RSS_LIMIT_MIB,
    });
  }
  return {
    tables: [
      {
        title: 'Callbacks a second',
        columns: ['shape', 'program ÷ bare', 'program/s', 'p99 ms', 'bare/s', 'p99 ms'],
        rows: rates,
      },
      {
        title: 'By senders at once',
        columns: [
          'shape',
          'program ÷ bare',
          'senders',
          'program/s',
          'p99 ms',
          'CPU ms',
          'bare/s',
          'p99 ms',
          'CPU ms',
        ],
        rows: steps,
      },
      ...(bursts.length === 0
        ? []
        : [
            {
              title: `A burst of ${BURST} callbacks, ${BURST_SENDERS} at once, workers in the same process`,
              columns: [
                'shape',
                'refused',
                'accepted/s',
                'p99 ms',
                'grown MiB',
                'loop p99 ms',
                'items/s during',
                'after',
              ],
              rows: bursts,
            },
          ]),
    ],
    bars,
    notes,
  };
}

interface Rate {
  readonly rate: number;
  readonly p99Ms: number;
  /** Of a callback, of the process that answers. */
  readonly cpuMs: number;
}

async function measureRates(
  shape: Shape,
  stage: BenchServers,
): Promise<{ program: Rate; bare: Rate; byStep: Cell[][] }> {
  const { options, sender } = stage;
  const env: Record<string, string> =
    shape === 'embedded'
      ? { WORKER_CONCURRENCY: '1', ACCOUNT_CONCURRENCY: '1' }
      : { BENCH_PROGRAM: '../../src/server/main.ts' };
  const program = await startProgram(shape, stage, env);
  const { floors, route } = await openFloors(shape, stage);
  let run = 0;
  const count = (options.quick ? 300 : 1_200) / (shape === 'embedded' ? 3 : 1);
  const sides = {
    program: { url: program.url, cpuMs: async () => (await program.usage()).cpuMs },
    bare: { url: route, cpuMs: () => floors.call<number>('cpuMs') },
  };
  const burst = async (side: keyof typeof sides, concurrency: number): Promise<Rate> => {
    options.signal.throwIfAborted();
    const { url, cpuMs } = sides[side];
    await sender.call('prepare', { count, sizeBytes: PICTURE_BYTES, run: `in${shape}${++run}` });
    const before = await cpuMs();
    const {
      wallMs,
      responseMs: answerMs,
      refused,
    } = await sender.call<Sent>('send', { url, count, concurrency });
    const after = await cpuMs();
    if (refused > 0) throw new Error(`${refused} of ${count} callbacks were refused`);
    return {
      rate: (count / wallMs) * 1000,
      p99Ms: percentile(answerMs, 0.99),
      cpuMs: (after - before) / count,
    };
  };
  await burst('program', 32);
  await burst('bare', 32);
  const steps = options.quick ? [8, 32] : SENDERS;
  const best = { program: [] as Rate[], bare: [] as Rate[] };
  for (const concurrency of steps) {
    const tries = { program: [] as Rate[], bare: [] as Rate[] };
    for (let round = 0; round < 3; round++) {
      tries.program.push(await burst('program', concurrency));
      tries.bare.push(await burst('bare', concurrency));
    }
    for (const side of ['program', 'bare'] as const) {
      best[side].push({
        rate: median(tries[side].map((one) => one.rate)),
        p99Ms: median(tries[side].map((one) => one.p99Ms)),
        cpuMs: median(tries[side].map((one) => one.cpuMs)),
      });
    }
  }
  await program.stop();
  await floors.stop();
  const byStep = steps.map((senders, step): Cell[] => {
    const [ours, bare] = [best.program[step]!, best.bare[step]!];
    return [
      SHAPE_NAMES[shape],
      ours.rate / bare.rate,
      senders,
      ours.rate,
      ours.p99Ms,
      ours.cpuMs,
      bare.rate,
      bare.p99Ms,
      bare.cpuMs,
    ];
  });
  return { program: highest(best.program), bare: highest(best.bare), byStep };
}

/** The highest rate in time; where none is, the one that is least late. */
function highest(rates: readonly Rate[]): Rate {
  const inTime = rates.filter((one) => one.p99Ms <= P99_LIMIT_MS);
  return inTime.length > 0
    ? inTime.toSorted((a, b) => b.rate - a.rate)[0]!
    : rates.toSorted((a, b) => a.p99Ms - b.p99Ms)[0]!;
}

async function measureBurst(shape: Shape, stage: BenchServers) {
  const { options, sender, sink } = stage;
  const program = await startProgram(shape, stage);
  const prepare = (count: number, run: string) =>
    sender.call('prepare', { count, sizeBytes: 10 * 1024, run: `burst${shape}${run}` });
  const send = (count: number) =>
    sender.call<Sent>('send', { url: program.url, count, concurrency: BURST_SENDERS });
  await prepare(500, 'warm');
  await send(500);
  await wait(3_000);
  await prepare(BURST, '');
  await sink.call('take');
  const base = (await program.usage()).rssBytes;
  const watched = watchRss(program, options.signal);
  const sent = await send(BURST);
  const during = (await sink.call<number>('count')) / (sent.wallMs / 1000);
  const { peakBytes, loopP99Ms } = await watched.end();
  const before = await sink.call<number>('count');
  await wait(3_000);
  const after = ((await sink.call<number>('count')) - before) / 3;
  await program.stop();
  await sink.call('take');
  return {
    refused: sent.refused,
    perSecond: (BURST / sent.wallMs) * 1000,
    p99Ms: percentile(sent.responseMs, 0.99),
    grownMiB: (peakBytes - base) / 2 ** 20,
    loopP99Ms,
    during,
    after,
  };
}

/** Asks the process ten times a second how much memory it holds. */
export function watchRss(program: Pick<Running, 'usage'>, signal: AbortSignal) {
  let ended = false;
  let peakBytes = 0;
  const loop: number[] = [];
  const running = (async () => {
    while (!ended && !signal.aborted) {
      const usage = await program.usage();
      peakBytes = Math.max(peakBytes, usage.rssBytes);
      loop.push(usage.loopDelayP99Ms);
      await wait(100);
    }
  })();
  return {
    end: async () => {
      ended = true;
      await running;
      return { peakBytes, loopP99Ms: percentile(loop, 0.99) };
    },
  };
}
