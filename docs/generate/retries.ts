/** docs/retries.md, written by asking the policy itself. */
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

/** What the table cannot say by itself. */
const NOTES: Record<FailureClass, string> = {
  token:
    'the shared token is read again and replaced only if it is still the one that failed; after three replacements that did not help the account is held',
  transient: '–',
  minute_limit: 'to the next minute',
  day_quota:
    'to midnight in Beijing, with up to 10 min of jitter; pictures with a link go by it near their deadline',
  permanent_media:
    'pictures try their `picUrl` first; 40007 at or after expiresAt is `expired`; the bucket is asked before either',
  account:
    'one media is tried for all of them each time, with the secrets read again; released at once when it got through',
  store: 'judged by a canary first; see below',
  unknown: 'three tries, then dead letter',
};
const CLASSES = Object.keys(NOTES) as FailureClass[];

const decide = (failureClass: FailureClass, tries: number, nowMs: number, random: number): RetryDecision =>
  decideNextAttempt({
    failure: { code: 'example', class: failureClass },
    attempts: tries,
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

/** How long after its first, second, … failure a media of three hours waits, with the worst and the best dice. */
function waits(failureClass: FailureClass, tries: number): string {
  const nowMs = SENT_MS + 3 * HOUR_MS;
  const [least, most] = [0, 1 - Number.EPSILON].map((random) => decide(failureClass, tries, nowMs, random));
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
    const later = first.next === 'retry' ? [2, 3, 12].map((tries) => waits(name, tries)) : ['', '', ''];
    return [`\`${name}\``, what, first.spent ? 'yes' : 'no', waits(name, 1), ...later, NOTES[name]];
  });
  return table(['class', 'what happens', 'costs a try', '1st failure', '2nd', '3rd', '12th', ''], rows);
}

/** When a media is tried that fails from its first second to its last, in milliseconds after sentAt. */
export function schedule(random: () => number): number[] {
  const triedAtMs = [0];
  for (;;) {
    const decision = decide('transient', triedAtMs.length, SENT_MS + triedAtMs.at(-1)!, random());
    const nextMs = 'at' in decision ? decision.at.getTime() - SENT_MS : Number.POSITIVE_INFINITY;
    if (nextMs > LIFE_MS + CLOSING_MS) return triedAtMs;
    triedAtMs.push(nextMs);
  }
}

const BEGINNING = 10;
const END = 8;
const EVERY = 10;

function scheduleTable(triedAtMs: readonly number[]): string {
  const rows = triedAtMs.flatMap((atMs, index) => {
    const isShown = index < BEGINNING || index >= triedAtMs.length - END || (index + 1) % EVERY === 0;
    const leftMs = LIFE_MS - atMs;
    const next = triedAtMs[index + 1];
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
  return table(['try', 'after sentAt', 'left to expiresAt', 'then waits'], rows);
}

function probeTable(): string {
  const line = (code: Failure['code']) =>
    [0, 1, 2, 3, 4, 5].map((probes) => duration(decideProbeMs({ code }, probes)));
  return table(
    ['the store', '1st probe after', '2nd', '3rd', '4th', '5th', '6th and on'],
    [
      ['refuses (`store_refused`)', ...line('store_refused')],
      ['is away or full (`store_unavailable`, `disk_full`)', ...line('store_unavailable')],
    ],
  );
}

export function retriesPage(): string {
  const example = schedule(createRandom(1));
  return `# Retries

Written by asking the policy the program goes by (\`src/pipeline/archive/retry-policy.ts\`): \`node bin/run.js docs/generate/main.ts\`. Which
errcode has which class: [errcodes.md](errcodes.md).

A media has until \`expiresAt\`, three days after it was sent, and its retries are planned against that and nothing else. Three tries
come within 30 s. After them each wait is drawn anew between an eighth of its ceiling and the whole of it (at least 20 s); the ceiling
doubles from one minute and is never more than an eighth of the life left, so tries grow denser towards the end. A wish of the far end
(\`Retry-After\`) is heeded up to that eighth. Planned tries end at \`expiresAt\`; one more follows before \`closesAt\`, two hours
later, because the exact second of expiry is nowhere documented.

## By class of failure
A media of three hours, and how long it waits after its first, second, third and twelfth failure:

${classTable()}
## What is held to be true
\`test/pipeline/archive/retry-simulation.test.ts\` plays thousands of random histories (network, errors with \`Retry-After\`, tokens, limits of a
minute and of a day, accounts and stores in trouble) and fails on the first that breaks one of these:

- What WeChat still serves in the last tenth of its life, with store, token and quota usable, is archived. Less is enough: any time as
  long as an eighth of the life left when it begins (at least 30 s), and the end of a hold where there is one, at most 12 min later.
- A media is tried at most ${schedule(() => 0).length} times, were every draw of every wait the shortest. Usual for one that fails for three days: about ${example.length}.
- After an outage of a day its media come back over hours: 5,000 of them, come evenly through it, make at most 51 tries a minute where
  the mean is 15 (fed at once they would be 5,000).
- Holds of an account and of the store cost no try.

## Three days of failures
One media of class \`transient\` that never gets through; every tenth try, the first and the last ones:

${scheduleTable(example)}
## When the store takes nothing
A put that failed is judged by a canary: a small object put under \`{S3_PREFIX}.probe/\` and removed again. Where it gets through, the
failure was that media's own: it costs a try and is retried as above. Where it fails too, **all archiving is held**, in every process:
nothing is fed or fetched, downloads under way are cut, media in hand go back, and none of them loses a try. They wait as
\`storeHeld\`. Callbacks are taken as ever.

It is the same for a store that refuses (403, NoSuchBucket, a wrong signature) and one that is away (errors, timeouts, a full disk):
what is fetched then cannot be kept, and every fetch is a call of WeChat's daily quota. They differ in how often one process of the
fleet probes:

${probeTable()}
The first probe that gets through releases everything at once. \`/v1/stats\`, \`/readyz\`, the page, \`wma_store_held\`, the log (one
warning when it begins) and the events \`hold\` and \`release\` of \`store\` tell of it.

Deadlines go on meanwhile: three days are WeChat's. But no row is closed while the store is held, since nobody could make its last try.
When it is back, media that are past their \`closesAt\` get that try, and WeChat's own answer closes them: \`expired\` says that WeChat
had it no more, never that nobody looked. One that could not be tried within two hours of the release is closed with the failure it
had.
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`;
}
