/** Part 6: from `npm start` to an answering page, embedded, beside a bare PGlite and the imports alone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Part } from '../part.ts';
import { commandOnCores } from '../processes.ts';
import { type Cell, median, type PartResult } from '../report.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_LIMIT_MS = 60_000;

/** Milliseconds from spawning to the first output that matches; the process is then closed and waited for. */
async function timeOf(args: readonly string[], env: Record<string, string>, ready: RegExp): Promise<number> {
  const startedAt = performance.now();
  const [program, all] = commandOnCores('client', process.execPath, args);
  const child = spawn(program, all, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let readyAt = Number.NaN;
  const exit = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS);
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  child.stdout.on('data', (chunk) => {
    said += chunk;
    if (Number.isNaN(readyAt) && ready.test(said)) {
      readyAt = performance.now();
      child.kill('SIGTERM');
    }
  });
  await exit;
  clearTimeout(timer);
  if (Number.isNaN(readyAt)) throw new Error(`${args.join(' ')} was never ready:\n${said.slice(-2000)}`);
  return readyAt - startedAt;
}

export const measureStart: Part = async (options): Promise<PartResult> => {
  const rounds = options.quick ? 1 : Math.max(3, Math.round(options.rounds / 3));
  const folder = await mkdtemp(join(tmpdir(), 'wma-bench-start-'));
  const times: Record<string, number[]> = {};
  const note = async (name: string, measured: Promise<number>) => {
    const list = times[name] ?? [];
    times[name] = list;
    list.push(await measured);
  };
  try {
    for (let round = 0; round < rounds; round++) {
      options.signal.throwIfAborted();
      const data = join(folder, `data-${round}`);
      const bare = join(folder, `bare-${round}`);
      await note(
        'bare PGlite, first',
        timeOf(['bin/run.js', 'bench/start/bare.ts', 'pglite', bare], {}, /ready/),
      );
      await note('npm start, first', startProgram(data));
      await note(
        'bare PGlite, later',
        timeOf(['bin/run.js', 'bench/start/bare.ts', 'pglite', bare], {}, /ready/),
      );
      await note('npm start, later', startProgram(data));
      await note('imports', timeOf(['bin/run.js', 'bench/start/bare.ts', 'imports'], {}, /ready/));
      await note('node itself', timeOf(['-e', 'console.log("ready")'], {}, /ready/));
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  const of = (name: string) => median(times[name] ?? []);
  // Both bare runs start a node of their own; the program starts one.
  const floor = (when: string) => of(`bare PGlite, ${when}`) + of('imports') - of('node itself');
  const rows = ['first', 'later'].map((when): Cell[] => [
    `${when} start`,
    of(`npm start, ${when}`) / floor(when),
    of(`npm start, ${when}`),
    of(`bare PGlite, ${when}`),
    of('imports'),
    of('node itself'),
  ]);
  return {
    tables: [
      {
        title: 'From npm start to ready, everything embedded',
        columns: ['', 'start ÷ floor', 'start ms', 'bare PGlite ms', 'imports ms', 'node ms'],
        rows,
      },
    ],
    bars: rows.map(([name, ratio]) => ({
      what: `${name} over PGlite + imports`,
      measured: Number(ratio),
      atMost: 1.3,
    })),
    notes: [
      'The floor is a bare PGlite plus the imports, less one start of node itself; compiled code is kept for all alike.',
    ],
  };
};

function startProgram(data: string): Promise<number> {
  const env = {
    DATA_DIR: data,
    PORT: '0',
    LOG_LEVEL: 'error',
    DATABASE_URL: '',
    S3_BUCKET: '',
    WECHAT_APP_ID: '',
    LC_ALL: 'C',
  };
  // The message at the end of the start, not the link that is printed early.
  return timeOf(['bin/run.js', 'src/main.ts'], env, /for 15 minutes\)\s+http:\/\/127\.0\.0\.1:\d+/);
}
