/** `npm run test:chaos`: docs/reliability.md describes what it does and what the table means. */
import { styleText } from 'node:util';
import { isClean } from './check/findings.ts';
import { planEvents } from './events/plan.ts';
import { playEvents } from './events/play.ts';
import { eventsTable, faultsOf } from './events/print.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { planOf } from './plan.ts';
import { type Played, play } from './play.ts';
import { playScenario } from './scenarios.ts';
import type { Script } from './script.ts';
import { type Column, tableOf } from './table.ts';

const EXIT_USAGE = 64;
/** After ten minutes of kills, webhooks may be behind by as much. */
const QUIET_LIMIT_MS = 1_800_000;
/** Of the simulator; a foreign stand-in may have others. */
const ACCOUNTS = 3;

const startedAt = performance.now();
const say = (line: string) => {
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  process.stderr.write(`${String(seconds).padStart(4)} s  ${line}\n`);
};
const listOf = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ×${count}`)
    .join(', ');

function printRun(title: string, played: Played): void {
  const { sent, accepted, byStatus, actions, crashes, idleAfterSeconds } = played;
  process.stdout.write(
    `${title}: ${sent} callbacks sent, ${accepted} accepted, became ${listOf(byStatus)}; quiet ${idleAfterSeconds} s after ` +
      `the last fault\n  actions: ${listOf(actions)}\n` +
      (crashes.length > 0 ? `  ended by themselves: ${crashes.join('; ')}\n` : ''),
  );
}

async function run(script: Script, options: Options): Promise<{ columns: Column[]; facts: object }> {
  const { wechatUrl, accountsFile, keep, naive, shape } = options;
  const fixture = { keep, ...(wechatUrl && accountsFile && { wechatUrl, accountsFile }) };
  const product = await play(script, fixture, say);
  const columns: Column[] = [{ title: shape, findings: product.findings }];
  printRun(shape, product);
  if (!naive) return { columns, facts: { product } };
  const other = await play(script, { ...fixture, way: 'naive' }, say);
  printRun('naive', other);
  return {
    columns: [...columns, { title: 'naive', findings: other.findings }],
    facts: { product, naive: other },
  };
}

async function runEvents(events: number, options: Options): Promise<boolean> {
  const { seed, minutes, keep, json } = options;
  const script = planEvents({ seed, minutes, events });
  if (options.plan) {
    process.stdout.write(`${JSON.stringify(script, null, 1)}\n`);
    return true;
  }
  const played = await playEvents(script, { keep, quietLimitMs: QUIET_LIMIT_MS }, say);
  const clean = faultsOf(played).length === 0;
  process.stdout.write(`${eventsTable(played)}\n\nseed ${seed}, ${minutes} min: `);
  process.stdout.write(`${styleText('bold', clean ? 'the promise held' : 'THE PROMISE WAS BROKEN')}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ seed, minutes, clean, ...played })}\n`);
  return clean;
}

async function start(options: Options): Promise<boolean> {
  const { seed, shape, minutes, sabotage, keep, json } = options;
  if (sabotage) {
    const { findings } = await playScenario(sabotage, { broken: true, keep });
    process.stdout.write(`${tableOf([{ title: 'sabotaged', findings }])}\n`);
    if (json) process.stdout.write(`${JSON.stringify({ sabotage, findings })}\n`);
    return isClean(findings);
  }
  if (options.events !== undefined) return await runEvents(options.events, options);
  const script = planOf({ seed, shape, minutes, accounts: ACCOUNTS });
  if (options.plan) {
    process.stdout.write(`${JSON.stringify(script, null, 1)}\n`);
    return true;
  }
  const { columns, facts } = await run(script, options);
  // The naive way is there to be compared with, not to pass.
  const clean = isClean(columns[0]!.findings);
  process.stdout.write(`${tableOf(columns)}\n\nseed ${seed}, ${minutes} min, ${shape}: `);
  process.stdout.write(`${styleText('bold', clean ? 'the promise held' : 'THE PROMISE WAS BROKEN')}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ seed, shape, minutes, clean, ...facts })}\n`);
  return clean;
}

try {
  const options = readOptions(process.argv.slice(2));
  process.exitCode = (await start(options)) ? 0 : 1;
} catch (error) {
  const isUsage = /^--|^Unknown option/.test((error as Error).message);
  process.stderr.write(isUsage ? `${(error as Error).message}\n\n${USAGE}` : `${(error as Error).stack}\n`);
  process.exitCode = isUsage ? EXIT_USAGE : 1;
}
