/** Part 2: from a callback to an archived picture, beside the sum of the floors of every step, on each shape. */
import { setTimeout as wait } from 'node:timers/promises';
import { idOf } from '../../src/media.ts';
import { type BenchServers, openFloors, withBenchServers } from '../bench-servers.ts';
import type { Cost } from '../byte-path/client.ts';
import type { Sent } from '../callback-sender.ts';
import type { Part } from '../part.ts';
import { type Bar, type Cell, median, type PartResult, percentile, type Table } from '../report.ts';
import { ACCOUNT, missingFor, redisCommands, SHAPE_NAMES, type Shape, shapesOf } from '../shapes.ts';
import type { Usage } from './program.ts';
import { type Running, startProgram, waitForObjects } from './running.ts';

const PICTURE_BYTES = 100 * 1024;
const SENDERS = 32;
/** What the last rows need after the last object: their statement, and the queue's word for "done". */
const SETTLE_MS = 300;

/** Media through the program and through its floors before any is counted: from there on neither gets cheaper. */
const WARM = { redis: 16_000, postgres: 16_000, embedded: 6_000 };
const WARM_BATCH = 2_000;

/** CPU milliseconds per item of the floor of each step. */
interface Floors {
  readonly route: number;
  readonly bytes: number;
  readonly job: number;
  readonly update: number;
}

interface Spent {
  readonly cpuMs: number;
  readonly mediaPerSecond: number;
  readonly statements: number;
  readonly databaseBytes: number;
  readonly redisCommands: number;
  readonly redisBytes: number;
}

export const measureEndToEnd: Part = (options) => withBenchServers(options, measureShapes);

async function measureShapes(stage: BenchServers): Promise<PartResult> {
  const { options, services } = stage;
  const notes = [
    'CPU of the client process alone: not of Postgres, Redis, origin and sink. The store is the sink in every shape.',
    'Statements hold everything the process says to the database, the queue in Postgres and idle polling included.',
  ];
  const costs: Cell[][] = [];
  const floorRows: Cell[][] = [];
  const trips: Cell[][] = [];
  const bars: Bar[] = [];
  for (const shape of shapesOf(options)) {
    const missing = missingFor(shape, services);
    if (missing) {
      notes.push(`NOT MEASURED: ${SHAPE_NAMES[shape]}: ${missing}`);
      continue;
    }
    options.print(`  ${SHAPE_NAMES[shape]} …`);
    const { ratio, spent, floors, latency, usage } = await measureShape(shape, stage);
    const name = SHAPE_NAMES[shape];
    costs.push([
      name,
      ratio,
      spent.cpuMs,
      sumOf(floors),
      spent.mediaPerSecond,
      percentile(latency, 0.5),
      percentile(latency, 0.99),
      usage.rssBytes / 2 ** 20,
      usage.loopDelayP99Ms,
    ]);
    floorRows.push([name, floors.route, floors.bytes, floors.job, floors.update]);
    trips.push([
      name,
      spent.statements,
      spent.redisCommands,
      spent.databaseBytes / 1024,
      spent.redisBytes / 1024,
    ]);
    bars.push({ what: `${name}: CPU over the sum of its floors`, measured: ratio, atMost: 1.3 });
  }
  return { tables: tablesOf(costs, floorRows, trips), bars, notes };
}

const sumOf = (floors: Floors) => floors.route + floors.bytes + floors.job + floors.update;

function tablesOf(costs: Cell[][], floors: Cell[][], trips: Cell[][]): Table[] {
  return [
    {
      title: 'Callback posted → picture of 100 KB archived',
      columns: [
        'shape',
        'CPU ÷ floors',
        'CPU ms/item',
        'floors ms',
        'items/s',
        'p50 ms',
        'p99 ms',
        'RSS MiB',
        'loop p99 ms',
      ],
      rows: costs,
    },
    {
      title: 'The floors, CPU ms/item',
      columns: ['shape', 'fastify + insert', 'bytes', 'no-op job', 'update + attempt'],
      rows: floors,
    },
    {
      title: 'Round trips of an item',
      columns: ['shape', 'statements', 'Redis commands', 'KiB database', 'KiB Redis'],
      rows: trips,
    },
  ];
}

async function measureShape(shape: Shape, stage: BenchServers) {
  const { options, children, sender, sink, ends } = stage;
  const count = options.quick ? 120 : 400;
  const rounds = options.quick ? 2 : Math.max(3, Math.round(options.rounds / 3));
  const program = await startProgram(shape, stage);
  const { floors, route } = await openFloors(shape, stage);
  const bytes = await children.start('./byte-path/client.ts', { side: 'client' });
  await bytes.call('open', { name: 'whole', ...ends });
  let run = 0;
  const prepare = (many: number) =>
    sender.call('prepare', { count: many, sizeBytes: PICTURE_BYTES, run: `${shape}${++run}` });

  async function throughFloors(many: number): Promise<Floors> {
    const costOf = async (work: () => Promise<unknown>) => {
      const before = await floors.call<number>('cpuMs');
      await work();
      return ((await floors.call<number>('cpuMs')) - before) / many;
    };
    await prepare(many);
    const file = { mediaId: `image-${PICTURE_BYTES}`, sizeBytes: PICTURE_BYTES, kind: 'image' };
    const bytesCost = await bytes.call<Cost>('run', { file, files: many, concurrency: 8 });
    await sink.call('take');
    return {
      route: await costOf(() => sender.call('send', { url: route, count: many, concurrency: SENDERS })),
      bytes: bytesCost.cpuMs / many,
      job: await costOf(() => floors.call('jobs', many)),
      update: await costOf(() => floors.call('updates')),
    };
  }

  // Ratios are those of a service that runs for days: its code is compiled, the rarer half after many thousand media.
  const batch = options.quick ? count : WARM_BATCH;
  for (let warmed = 0; warmed < (options.quick ? batch : WARM[shape]); warmed += batch) {
    await prepare(batch);
    await throughProgram(program, batch, stage);
    await throughFloors(batch);
  }
  const spent: Spent[] = [];
  const floored: Floors[] = [];
  for (let round = 0; round < rounds; round++) {
    await prepare(count);
    spent.push(await throughProgram(program, count, stage));
    floored.push(await throughFloors(count));
  }
  const steady = options.quick ? 30 : 300;
  await prepare(steady);
  const latency = await latencies(program, steady, stage);
  const usage = await program.usage();
  for (const child of [program, floors, bytes]) await child.stop();
  const middle = <T extends object>(list: readonly T[]) =>
    Object.fromEntries(
      Object.keys(list[0]!).map((key) => [key, median(list.map((one) => one[key as keyof T] as number))]),
    ) as Record<keyof T, number>;
  const ratio = median(spent.map((one, index) => one.cpuMs / sumOf(floored[index]!)));
  return { ratio, spent: middle(spent), floors: middle(floored), latency, usage };
}

async function throughProgram(program: Running, count: number, stage: BenchServers): Promise<Spent> {
  const { services, sender, sink, options } = stage;
  const { DATABASE_URL, REDIS_URL } = program.environment;
  const commands = async () =>
    REDIS_URL && services.redisUrl ? await redisCommands(services.redisUrl) : { commands: 0, bytes: 0 };
  const redisBefore = await commands();
  const before = await program.usage();
  const startedAt = performance.now();
  const sent = await sender.call<Sent>('send', { url: program.url, count, concurrency: SENDERS });
  if (sent.refused > 0) throw new Error(`${sent.refused} of ${count} callbacks were refused`);
  await waitForObjects(sink, count, options.signal);
  const wallMs = performance.now() - startedAt;
  await wait(SETTLE_MS);
  const after = await program.usage();
  const redisAfter = await commands();
  await sink.call('take');
  const port = DATABASE_URL ? new URL(DATABASE_URL).port : '';
  const bytes = (usage: Usage) => usage.bytesByPort[port] ?? 0;
  return {
    cpuMs: (after.cpuMs - before.cpuMs) / count,
    mediaPerSecond: (count / wallMs) * 1000,
    statements: (after.statements - before.statements) / count,
    databaseBytes: (bytes(after) - bytes(before)) / count,
    redisCommands: (redisAfter.commands - redisBefore.commands) / count,
    redisBytes: (redisAfter.bytes - redisBefore.bytes) / count,
  };
}

/** Milliseconds from sending a callback to its stored picture, at a rate far below the limit. */
async function latencies(program: Running, count: number, stage: BenchServers): Promise<number[]> {
  const { sender, sink, options } = stage;
  const how = { url: program.url, count, concurrency: SENDERS, perSecond: 30 };
  const { sentAt } = await sender.call<Sent>('send', how);
  await waitForObjects(sink, count, options.signal);
  const storedAt = new Map(
    Object.entries(await sink.call<Record<string, number>>('storedAt')).map(([path, at]) => [
      /m_[0-9a-f]{32}/.exec(path)?.[0],
      at,
    ]),
  );
  await sink.call('take');
  return Object.entries(sentAt).map(
    ([mediaId, at]) => (storedAt.get(idOf(ACCOUNT.account, mediaId)) ?? Number.NaN) - at,
  );
}
