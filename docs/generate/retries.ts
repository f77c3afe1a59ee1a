/** Generates docs/retries.md from the retry policy of the program. */
import type { Failure, FailureClass } from '../../src/failures.ts';
import { decideNextAttempt, type RetryDecision } from '../../src/pipeline/archive/retry-policy.ts';
import { decideProbeMs } from '../../src/pipeline/dispatch/store-hold.ts';
import { createRandom } from '../../src/runtime/seeded-random.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const SENT_MS = Date.parse('2026-05-01T04:00:00Z');
const LIFE_MS = 72 * HOUR_MS;
const CLOSING_MS = 2 * HOUR_MS;

/** Facts that the computed columns do not show. */
const NOTES: Record<FailureClass, string> = {
  token:
    'the managed token is read again and replaced only if it is still the one that failed; after three replacements without success the account is put on hold',
  transient: '–',
  minute_limit: 'to the next minute',
  day_quota:
    'to midnight in Beijing, with up to 10 min of jitter; pictures with a link are downloaded through the link near their deadline',
  permanent_media:
    'pictures try their `picUrl` first; 40007 at or after expiresAt is `expired`; the bucket is checked before either',
  account:
    'then one item is dispatched as a probe, and the secrets are read again; the hold ends at once when it succeeds',
  store: 'a probe decides first; see below',
  unknown: 'three attempts, then dead letter',
};
const CLASSES = Object.keys(NOTES) as FailureClass[];

const decide = (failureClass: FailureClass, attempts: number, nowMs: number, random: number): RetryDecision =>
  decideNextAttempt({
    failure: { code: 'example', class: failureClass },
    attempts,
    startedAt: new Date(nowMs),
    now: new Date(nowMs),
    expiresAt: new Date(SENT_MS + LIFE_MS),
    closesAt: new Date(SENT_MS + LIFE_MS + CLOSING_MS),
    random,
    scale: (ms) => ms,
  });

export function duration(ms: number): string {
  if (ms < 2 * MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`;
  if (ms < 2 * HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  return `${(ms / HOUR_MS).toFixed(1)} h`;
}

/** Returns how long an item that was sent three hours ago waits, with the lowest and the highest random number. */
function waits(failureClass: FailureClass, attempts: number): string {
  const nowMs = SENT_MS + 3 * HOUR_MS;
  const [least, most] = [0, 1 - Number.EPSILON].map((random) =>
    decide(failureClass, attempts, nowMs, random),
  );
  if (!least || !most || !('at' in least) || !('at' in most)) return 'dead letter';
  const [from, to] = [least, most].map(({ at }) => duration(at.getTime() - nowMs));
  return from === to ? `${from}` : `${from} – ${to}`;
}

function classTable(): string {
  const rows = CLASSES.map((name) => {
    const first = decide(name, 1, SENT_MS, 0);
    const what = {
      dead: 'dead letter',
      expired: 'expired',
      retry: 'retry',
      holdAccount: 'the account is held',
    }[first.next];
    const later = first.next === 'retry' ? [2, 3, 12].map((attempts) => waits(name, attempts)) : ['', '', ''];
    return [
      `\`${name}\``,
      what,
      first.next === 'holdAccount' ? 'no' : 'yes',
      waits(name, 1),
      ...later,
      NOTES[name],
    ];
  });
  return table(['class', 'what happens', 'costs an attempt', '1st failure', '2nd', '3rd', '12th', ''], rows);
}

/** The attempts of an item that always fails, in milliseconds after sentAt. */
export function schedule(random: () => number): number[] {
  const attemptsAtMs = [0];
  for (;;) {
    const decision = decide('transient', attemptsAtMs.length, SENT_MS + attemptsAtMs.at(-1)!, random());
    const nextMs = 'at' in decision ? decision.at.getTime() - SENT_MS : Number.POSITIVE_INFINITY;
    if (nextMs > LIFE_MS + CLOSING_MS) return attemptsAtMs;
    attemptsAtMs.push(nextMs);
  }
}

const BEGINNING = 10;
const END = 8;
const EVERY = 10;

function scheduleTable(attemptsAtMs: readonly number[]): string {
  const rows = attemptsAtMs.flatMap((atMs, index) => {
    const isShown = index < BEGINNING || index >= attemptsAtMs.length - END || (index + 1) % EVERY === 0;
    const leftMs = LIFE_MS - atMs;
    const next = attemptsAtMs[index + 1];
    return isShown
      ? [
          [
            String(index + 1),
            duration(atMs),
            leftMs >= 0 ? duration(leftMs) : `${duration(-leftMs)} past`,
            next === undefined ? 'closed at closesAt' : duration(next - atMs),
          ],
        ]
      : [];
  });
  return table(['attempt', 'after sentAt', 'left to expiresAt', 'then waits'], rows);
}

function probeTable(): string {
  const line = (code: Failure['code']) =>
    [0, 1, 2, 3, 4, 5].map((probes) => duration(decideProbeMs({ code }, probes)));
  return table(
    ['the store', '1st probe after', '2nd', '3rd', '4th', '5th', '6th and on'],
    [
      ['refuses (`store_refused`)', ...line('store_refused')],
      ['is unavailable or full (`store_unavailable`, `disk_full`)', ...line('store_unavailable')],
    ],
  );
}

export function retriesPage(): string {
  const example = schedule(createRandom(1));
  return `# Retries

[中文](zh/retries.md)

Computed from the policy of the program (\`src/pipeline/archive/retry-policy.ts\`): \`node bin/run.js docs/generate/main.ts\`. The class of
each errcode: [errcodes.md](errcodes.md).

A media item has until \`expiresAt\`, three days after it was sent, and its retries are planned against that deadline. Three attempts
come within 30 s. After them each wait is random between an eighth of its ceiling and the whole ceiling (at least 20 s); the ceiling
doubles from one minute and is never more than an eighth of the time left, so attempts grow denser towards the end. A
\`Retry-After\` is honoured up to that eighth. Planned attempts end at \`expiresAt\`; one more follows before \`closesAt\`, two hours
later, because the exact second of expiry is not documented.

## By class of failure
An item sent three hours ago, and how long it waits after its first, second, third and twelfth failure:

${classTable()}
## Properties that are tested
\`test/pipeline/archive/retry-simulation.test.ts\` simulates thousands of random histories (network, errors with \`Retry-After\`, tokens, limits of a
minute and of a day, held accounts and stores) and fails on the first that breaks one of these:

- An item that WeChat still serves in the last tenth of its life, with store, token and quota usable, is archived. Less is enough: a
  period of an eighth of the time left when it begins (at least 30 s), and the end of a hold, if the account or the store is held, at most 12 min later.
- An item gets at most ${schedule(() => 0).length} attempts, which would need the shortest random wait every time. An item that fails for three days usually gets about ${example.length}.
- After an outage of a day its items are attempted again over hours: 5,000 items, sent evenly during it, cause at most 51 attempts a minute
  where the mean is 15 (dispatched at once they would be 5,000).
- Holds of an account and of the store spend no attempt.

## Three days of failures
One item of class \`transient\` that always fails; every tenth attempt, the first and the last ones:

${scheduleTable(example)}
## When the store refuses everything
After a failed put a probe decides: a small object is put under \`{S3_PREFIX}.probe/\` and deleted again. If that succeeds, the
failure concerns only that item: it spends an attempt and is retried as above. If it fails too, **all archiving is put on hold**, in every
process: nothing is dispatched or downloaded, running downloads are aborted, running jobs go back, and none of them spends an attempt.
They wait as \`storeHeld\`. Callbacks are accepted as usual.

This applies to a store that refuses (403, NoSuchBucket, a wrong signature) and to one that is unavailable (errors, timeouts, a full
disk): a file that is downloaded then cannot be stored, and every download uses a call of WeChat's daily quota. They differ in how often one
process, on behalf of all, probes:

${probeTable()}
The first probe that succeeds releases everything at once. \`/v1/stats\`, \`/readyz\`, the dashboard, \`wma_store_held\`, the log (one
warning when it begins) and the audit entries \`hold\` and \`release\` of \`store\` show it.

Deadlines continue meanwhile, because the three days are WeChat's. But no row is closed while the store is on hold, because its last
attempt would be impossible. After the release, items past their \`closesAt\` get that attempt, and WeChat's response closes them:
\`expired\` means that WeChat no longer has the file, never that it was not requested. An item without an attempt within two hours of
the release is closed with the failure it had.
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`;
}
