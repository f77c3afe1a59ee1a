/** `npm run test:chaos`: docs/reliability.md says what it does, and what the table means. */
import { styleText } from 'node:util';
import { isClean } from './findings.ts';
import { readOptions, USAGE } from './options.ts';
import { planOf } from './plan.ts';
import { play } from './play.ts';
import { tableOf } from './table.ts';

const EXIT_USAGE = 64;
/** Of the simulator; a foreign stand-in may have others. */
const ACCOUNTS = 3;

let options: ReturnType<typeof readOptions>;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(EXIT_USAGE);
}

const startedAt = performance.now();
const say = (line: string) => {
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  process.stderr.write(`${String(seconds).padStart(4)} s  ${line}\n`);
};

const { seed, shape, minutes } = options;
const script = planOf({ seed, shape, minutes, accounts: ACCOUNTS });
if (options.plan) {
  process.stdout.write(`${JSON.stringify(script, null, 1)}\n`);
  process.exit(0);
}

const { wechatUrl, accountsFile, keep } = options;
const played = await play(
  script,
  { keep, ...(wechatUrl && accountsFile && { wechatUrl, accountsFile }) },
  say,
);
const clean = isClean(played.findings);
const title = shape;
process.stdout.write(`${tableOf([{ title, findings: played.findings }])}\n\n`);
process.stdout.write(
  `seed ${seed}, ${minutes} min: ${played.sent} callbacks sent, ${played.accepted} accepted, ` +
    `${Object.entries(played.byStatus)
      .map(([status, count]) => `${count} ${status}`)
      .join(', ')}; ` +
    `quiet ${played.settleSeconds} s after the last trouble\n` +
    `${Object.entries(played.deeds)
      .map(([name, count]) => `${name} ×${count}`)
      .join(', ')}\n` +
    (played.unasked.length > 0 ? `ended by themselves: ${played.unasked.join('; ')}\n` : ''),
);
process.stdout.write(`${styleText('bold', clean ? 'the promise held' : 'THE PROMISE WAS BROKEN')}\n`);
if (options.json) process.stdout.write(`${JSON.stringify({ seed, shape, minutes, clean, ...played })}\n`);
process.exit(clean ? 0 : 1);
