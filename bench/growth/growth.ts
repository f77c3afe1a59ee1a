/** Part 5: more worker processes, more rows, and searches among them. */

import { withBenchServers } from '../bench-servers.ts';
import type { Sent } from '../callback-sender.ts';
import { startProgram, waitForObjects } from '../end-to-end/running.ts';
import type { Part, PartOptions } from '../part.ts';
import type { Bar, Cell, PartResult, Table } from '../report.ts';
import { openServices, type Services } from '../services.ts';
import { missingFor, SHAPE_NAMES, type Shape } from '../shapes.ts';
import { measureRows } from './rows.ts';
import { measureSearch } from './search.ts';

/** An answer of WeChat takes its time; workers mostly wait for it. */
const ORIGIN_LATENCY_MS = 100;
const AT_ONCE = 4;

export const measureGrowth: Part = async (options): Promise<PartResult> => {
  const services = await openServices();
  try {
    const missing = missingFor('postgres', services);
    if (missing) return { tables: [], bars: [], notes: [`NOT MEASURED: ${missing}`] };
    const isWanted = (name: string) => options.set.only === undefined || options.set.only === name;
    const rows = isWanted('rows') ? await measureRows(await services.newDatabase(), options) : undefined;
    const search = isWanted('search')
      ? await measureSearch(await services.newDatabase(), options)
      : undefined;
    const workers = isWanted('workers') ? await measureWorkers(services, options) : undefined;
    return {
      tables: [...(rows?.tables ?? []), ...(search?.tables ?? []), ...(workers ? [workers.table] : [])],
      bars: [...(rows?.bars ?? []), ...(search?.bars ?? []), ...(workers?.bars ?? [])],
      notes: [
        `Workers of ${AT_ONCE} items at once each, a WeChat that responds after ${ORIGIN_LATENCY_MS} ms: bound by waiting, so that more processes help on few cores too.`,
        'Rows: --set rows=10000000 for ten million. --set only=rows, search or workers measures one of the three.',
      ],
    };
  } finally {
    await services.close();
  }
};

async function measureWorkers(
  services: Services,
  options: PartOptions,
): Promise<{ table: Table; bars: Bar[] }> {
  const rows: Cell[][] = [];
  const bars: Bar[] = [];
  const all = (['redis', 'postgres'] as const).filter((one) => !missingFor(one, services));
  for (const shape of options.quick ? all.slice(0, 1) : all) {
    const rates: number[] = [];
    for (const processes of options.quick ? [1] : [1, 2, 4]) {
      options.print(`  ${SHAPE_NAMES[shape]}, ${processes} worker${processes > 1 ? 's' : ''} …`);
      rates.push(await drain(shape, processes, services, options));
      const ratio = rates.at(-1)! / rates[0]!;
      rows.push([SHAPE_NAMES[shape], processes, ratio, rates.at(-1)!]);
      if (processes > 1)
        bars.push({
          what: `${SHAPE_NAMES[shape]}: ${processes} workers over one`,
          measured: ratio,
          atLeast: processes * 0.8,
        });
    }
  }
  return {
    table: { title: 'Worker processes', columns: ['shape', 'processes', 'over one', 'items/s'], rows },
    bars,
  };
}

/** Media a second: callbacks first, then so many workers. */
function drain(shape: Shape, processes: number, services: Services, options: PartOptions): Promise<number> {
  const settings = { origin: { LATENCY_MS: String(ORIGIN_LATENCY_MS) }, services };
  return withBenchServers(
    options,
    async (stage) => {
      const { children, sender, sink } = stage;
      const count = (options.quick ? 50 : 300) * processes;
      const server = await startProgram(shape, stage, { BENCH_PROGRAM: '../../src/server/main.ts' });
      for (let index = 0; index < processes; index++) {
        await children.start('./end-to-end/program.ts', {
          side: 'client',
          env: {
            ...server.environment,
            BENCH_PROGRAM: '../../workers/archive.ts',
            WORKER_CONCURRENCY: String(AT_ONCE),
          },
        });
      }
      const send = async (many: number, run: string) => {
        await sender.call('prepare', { count: many, sizeBytes: 20 * 1024, run });
        await sender.call<Sent>('send', { url: server.url, count: many, concurrency: 16 });
      };
      // Warm, and every worker there.
      await send(20 * processes, 'warm');
      await waitForObjects(sink, 20 * processes, options.signal);
      await sink.call('take');
      const startedAt = performance.now();
      await send(count, 'measured');
      await waitForObjects(sink, count, options.signal);
      return (count / (performance.now() - startedAt)) * 1000;
    },
    settings,
  );
}
