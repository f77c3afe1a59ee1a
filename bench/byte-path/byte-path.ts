/** Part 1: the bytes' way through the process, beside the floor and the naive way, each in a process of its own. */
import type { Part } from '../part.ts';
import { type Child, startChild } from '../processes.ts';
import { type Bar, type Cell, median, type Table } from '../report.ts';
import type { Burst, Cost } from './client.ts';
import type { File } from './variant.ts';

interface Shape {
  readonly name: string;
  readonly file: File;
  /** A burst: short, so that many rounds are interleaved with whatever else the machine does. */
  readonly files: number;
  readonly warmUpFiles: number;
  readonly concurrency: number;
  /** The floors beneath the program here, the first of them the one it is judged by. */
  readonly floors: readonly string[];
  readonly cpuAtMost: number;
  /** Undefined where the naive way does half of the work: it stores a cut file as a whole one. */
  readonly speedAtLeast: number | undefined;
  /** Left out of a quick run. */
  readonly long?: true;
}

const KIB = 1024;
const MIB = 1024 * KIB;

const file = (kind: File['kind'], sizeBytes: number, end?: 'chunked' | 'closed'): File => ({
  mediaId: `${kind}-${sizeBytes}${end ? `-${end}` : ''}`,
  kind,
  sizeBytes,
});

const SHAPES: readonly Shape[] = [
  {
    name: 'picture 100 KB',
    file: file('image', 100 * KIB),
    files: 600,
    warmUpFiles: 4000,
    concurrency: 8,
    floors: ['whole'],
    cpuAtMost: 1.25,
    speedAtLeast: 2.5,
  },
  {
    name: 'picture 2 MB',
    file: file('image', 2 * MIB),
    files: 20,
    warmUpFiles: 150,
    concurrency: 8,
    floors: ['whole'],
    cpuAtMost: 1.25,
    speedAtLeast: 2.5,
  },
  {
    name: 'video 50 MB',
    file: file('video', 50 * MIB),
    files: 3,
    warmUpFiles: 6,
    concurrency: 3,
    floors: ['parts', 'proven', 'stream'],
    cpuAtMost: 1.6,
    speedAtLeast: 1.5,
  },
  {
    name: 'video 50 MB, chunked',
    file: file('video', 50 * MIB, 'chunked'),
    long: true,
    files: 3,
    warmUpFiles: 6,
    concurrency: 3,
    floors: ['parts', 'proven'],
    cpuAtMost: 1.6,
    speedAtLeast: 1.5,
  },
  {
    name: 'video 50 MB, no end but the connection',
    file: file('video', 50 * MIB, 'closed'),
    long: true,
    files: 3,
    warmUpFiles: 6,
    concurrency: 3,
    floors: ['twice', 'parts'],
    cpuAtMost: 1.6,
    speedAtLeast: undefined,
  },
];

const FLOORS: Readonly<Record<string, string>> = {
  whole: 'floor: one PUT',
  stream: 'floor: one streaming PUT',
  parts: 'floor: parts',
  proven: 'floor: parts, each hashed',
  twice: 'floor: fetched twice, parts hashed',
};

/** Medians over rounds. Ratios are taken within a generation, so that the machine's moods touch both sides alike. */
interface Measured {
  readonly cpuOverFloor: number;
  /** The least of all rounds over the floor's least: what remains where others keep the machine busy. */
  readonly leastOverFloor: number;
  readonly speedOverNaive: number;
  readonly cpuMs: number;
  readonly filesPerSecond: number;
}

const NOTES = [
  'CPU is that of the client process; files/s depend on the servers of the benchmark too.',
  'floor: undici, one sha256, hand-written signature. "parts, each hashed" is what a store that refuses wrong bytes costs.',
  'Where only the end of the connection ends a body, a cut one cannot be told from a whole one: it is fetched twice, and judged by a floor that does so too.',
];

export const measureBytePath: Part = async (options) => {
  const children: Child[] = [];
  const start = async (...given: Parameters<typeof startChild>) => {
    const child = await startChild(...given);
    children.push(child);
    return child;
  };
  try {
    const origin = await start('./wechat-stand-in.ts', { side: 'servers' });
    const sink = await start('./store-stand-in.ts', { side: 'servers' });
    const ends = { originUrl: await origin.call<string>('url'), sinkUrl: await sink.call<string>('url') };
    const openWay = async (name: string) => {
      const client = await start('./byte-path/client.ts', { side: 'client' });
      await client.call('open', { name, ...ends });
      return client;
    };
    const only = options.set.shape;
    const shapes = SHAPES.filter(({ name, long }) =>
      only ? name.startsWith(only) : !(options.quick && long),
    );
    const tables: Table[] = [];
    const bars: Bar[] = [];
    for (const shape of shapes) {
      options.print(`  ${shape.name} …`);
      // New processes for each shape: what one shape taught the compiler and the heap is not the next one's.
      const ways = new Map<string, Child>();
      for (const name of ['product', ...shape.floors, 'naive']) ways.set(name, await openWay(name));
      const measured = await measureShape(shape, ways, sink, options);
      for (const client of ways.values()) await client.stop();
      tables.push(tableOf(shape, measured));
      bars.push(...barsOf(shape, measured));
    }
    return { tables, bars, notes: NOTES };
  } finally {
    for (const child of children) await child.stop();
  }
};

async function measureShape(
  shape: Shape,
  ways: ReadonlyMap<string, Child>,
  sink: Child,
  options: Parameters<Part>[0],
): Promise<Map<string, Measured>> {
  const names = [...ways.keys()];
  const rounds: Map<string, Cost>[] = [];
  const burst = async (name: string, files: number): Promise<Cost> => {
    options.signal.throwIfAborted();
    const asked: Burst = { file: shape.file, files, concurrency: shape.concurrency };
    const { cpuMs, wallMs } = await ways.get(name)!.call<Cost>('run', asked);
    const taken = await sink.call<{ objects: number; objectBytes: number }>('take');
    if (taken.objects !== files || taken.objectBytes !== files * shape.file.sizeBytes) {
      throw new Error(`${name} stored ${taken.objects} of ${files} files, ${taken.objectBytes} bytes`);
    }
    return { cpuMs: cpuMs / files, wallMs: wallMs / files };
  };
  const warmUpFiles = Math.ceil(shape.warmUpFiles / (options.quick ? 4 : 1));
  const files = Math.ceil(shape.files / (options.quick ? 3 : 1));
  for (const name of names) await burst(name, warmUpFiles);
  for (let round = 0; round < options.rounds; round++) {
    const turn = round % names.length;
    const costs = new Map<string, Cost>();
    for (const name of [...names.slice(turn), ...names.slice(0, turn)])
      costs.set(name, await burst(name, files));
    rounds.push(costs);
  }
  const over = (read: (costs: ReadonlyMap<string, Cost>) => number) => median(rounds.map(read));
  const floor = shape.floors[0]!;
  const least = (name: string) => Math.min(...rounds.map((costs) => costs.get(name)!.cpuMs));
  return new Map(
    names.map((name) => [
      name,
      {
        cpuOverFloor: over((costs) => costs.get(name)!.cpuMs / costs.get(floor)!.cpuMs),
        leastOverFloor: least(name) / least(floor),
        speedOverNaive: over((costs) => costs.get('naive')!.wallMs / costs.get(name)!.wallMs),
        cpuMs: over((costs) => costs.get(name)!.cpuMs),
        filesPerSecond: over((costs) => 1000 / costs.get(name)!.wallMs),
      },
    ]),
  );
}

function tableOf(shape: Shape, measured: ReadonlyMap<string, Measured>): Table {
  const rows = [...measured].map(([name, of]): Cell[] => [
    FLOORS[name] ?? name,
    of.cpuOverFloor,
    of.leastOverFloor,
    of.speedOverNaive,
    of.cpuMs,
    of.filesPerSecond,
    (of.filesPerSecond * shape.file.sizeBytes) / MIB,
  ]);
  const columns = [
    'way',
    'CPU ÷ floor',
    'least ÷ least',
    'files/s ÷ naive',
    'CPU ms/file',
    'files/s',
    'MiB/s',
  ];
  return { title: `${shape.name}, ${shape.concurrency} at once`, columns, rows };
}

function barsOf({ name, ...shape }: Shape, measured: ReadonlyMap<string, Measured>): Bar[] {
  const { cpuOverFloor, speedOverNaive } = measured.get('product')!;
  const cpu = { what: `${name}: CPU over the floor`, measured: cpuOverFloor, atMost: shape.cpuAtMost };
  if (shape.speedAtLeast === undefined) return [cpu];
  const speed = {
    what: `${name}: files/s over the naive way`,
    measured: speedOverNaive,
    atLeast: shape.speedAtLeast,
  };
  return [cpu, speed];
}
