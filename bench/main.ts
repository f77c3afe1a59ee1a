/**
 * `npm run bench`: compares the program with a floor (the least work that any program would do) and with a naive
 * program, on this machine. The results are ratios; no test depends on them.
 */
import { hostname, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, styleText } from 'node:util';
import { PARTS } from './parts.ts';
import { pinning, pinToServerCores } from './processes.ts';
import { describeMachine, formatPart, type Report, writeReport } from './report.ts';

const USAGE = `npm run bench -- [--part <name>]… [--quick] [--rounds <n>] [--json <file>] [--set <name>=<value>]…
parts: ${Object.keys(PARTS).join(', ')}
`;

/** Reads the arguments; prints the usage and exits where they are wrong. */
function readArguments() {
  const refuse = (why: string) => {
    process.stderr.write(`${why}\n${USAGE}`);
    process.exit(2);
  };
  try {
    const { values } = parseArgs({
      options: {
        part: { type: 'string', multiple: true, default: [] },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        json: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit();
    }
    const { rounds = values.quick ? '4' : '21' } = values;
    if (!/^[1-9]\d{0,3}$/.test(rounds))
      return refuse(`--rounds ${rounds}: give a whole number, for example 11`);
    const unknown = values.part.filter((name) => !Object.hasOwn(PARTS, name));
    if (unknown.length > 0) return refuse(`no part ${unknown.join(', ')}`);
    return { ...values, rounds: Number(rounds) };
  } catch (error) {
    return refuse((error as Error).message);
  }
}

const values = readArguments();
const print = (line: string) => process.stdout.write(`${line}\n`);
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stopped.abort(new Error(`interrupted by ${signal}`)));
}

const { quick, rounds } = values;
const options = {
  quick,
  rounds,
  set: Object.fromEntries(values.set.map((pair) => pair.split('=', 2) as [string, string])),
  print,
  signal: stopped.signal,
};
const report: Report = {
  startedAt: new Date().toISOString(),
  machine: describeMachine(pinning.why),
  quick,
  parts: {},
};
const file =
  values.json ??
  fileURLToPath(
    new URL(
      `results/${report.startedAt.slice(0, 10)}-${hostname()}${quick ? '-quick' : ''}.json`,
      import.meta.url,
    ),
  );

pinToServerCores();
print(Object.values(report.machine).join(' · '));
try {
  for (const name of values.part.length > 0 ? values.part : Object.keys(PARTS)) {
    print(styleText('bold', `\n${name}`));
    const startedAt = new Date();
    const [loadBefore] = loadavg() as [number, number, number];
    const result = await PARTS[name]!(options);
    report.parts[name] = {
      startedAt: startedAt.toISOString(),
      seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
      loadBefore: Number(loadBefore.toFixed(1)),
      ...result,
    };
    print(formatPart(result));
    await writeReport(file, report);
  }
  print(`\nwritten to ${file}`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}
