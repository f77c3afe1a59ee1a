/** Everything embedded, the store too: sixteen videos of 50 MB at once in one process. */
import { setTimeout as wait } from 'node:timers/promises';
import { type BenchServers, withBenchServers } from '../bench-servers.ts';
import type { Sent } from '../callback-sender.ts';
import { type Running, startProgram } from '../end-to-end/running.ts';
import { watchRss } from '../ingest/ingest.ts';
import type { PartOptions } from '../part.ts';
import type { Bar, Cell, Table } from '../report.ts';
import { API_KEY } from '../shapes.ts';

const MIB = 1024 * 1024;
const VIDEOS = 16;
const RSS_LIMIT_MIB = 900;
const LIMIT_MS = 300_000;

/** The store is in DATA_DIR too. */
const EMBEDDED_STORE = { S3_BUCKET: '', S3_ENDPOINT: '', S3_ACCESS_KEY_ID: '', S3_SECRET_ACCESS_KEY: '' };

/** As the other measures of memory, and as the program comes. */
const BUDGETS = ['64MiB', '256MiB'];

export function peakEmbedded(options: PartOptions): Promise<{ tables: Table[]; bars: Bar[] }> {
  return withBenchServers(options, async (stage) => {
    const sizeBytes = (options.quick ? 10 : 50) * MIB;
    const rows: Cell[][] = [];
    const bars: Bar[] = [];
    for (const budget of options.quick ? BUDGETS.slice(0, 1) : BUDGETS) {
      const label = `everything embedded, ${VIDEOS} × ${sizeBytes / MIB} MB, BYTE_BUDGET=${budget}`;
      options.print(`  ${label} …`);
      const { peakBytes, baseBytes, loopP99Ms, seconds } = await peakOf(sizeBytes, budget, stage);
      rows.push([label, peakBytes / MIB, baseBytes / MIB, loopP99Ms, seconds]);
      bars.push({ what: `${label}: RSS MiB`, measured: peakBytes / MIB, atMost: RSS_LIMIT_MIB });
    }
    return {
      tables: [
        {
          title: 'Peak memory of one process, database, queue and store included',
          columns: ['', 'peak RSS MiB', 'base MiB', 'loop p99 ms', 's'],
          rows,
        },
      ],
      bars,
    };
  });
}

async function peakOf(sizeBytes: number, budget: string, stage: BenchServers) {
  const program = await startProgram('embedded', stage, {
    ...EMBEDDED_STORE,
    WORKER_CONCURRENCY: String(VIDEOS),
    BYTE_BUDGET: budget,
  });
  const { rssBytes: baseBytes } = await program.usage();
  const watched = watchRss(program, stage.options.signal);
  const startedAt = performance.now();
  await stage.sender.call('prepare', { count: VIDEOS, sizeBytes, run: 'em', kind: 'video' });
  await stage.sender.call<Sent>('send', { url: program.url, count: VIDEOS, concurrency: VIDEOS });
  await waitForArchived(program, VIDEOS, stage.options.signal);
  const seconds = (performance.now() - startedAt) / 1000;
  const { peakBytes, loopP99Ms } = await watched.end();
  await program.stop();
  return { peakBytes, baseBytes, loopP99Ms, seconds };
}

async function waitForArchived(program: Running, count: number, signal: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + LIMIT_MS;
  for (;;) {
    const answer = await fetch(`${program.url}/v1/stats`, {
      headers: { authorization: `Bearer ${API_KEY}` },
      signal,
    });
    const { byStatus } = (await answer.json()) as { byStatus: { archived: number } };
    if (byStatus.archived >= count) return;
    if (performance.now() > giveUpAt) throw new Error(`${byStatus.archived} of ${count} were archived`);
    await wait(200);
  }
}
