/** The script of a run, decided before it begins: a pure function of the seed, the number of events and the minutes. */
import { createRandom, type Random } from '../random.ts';
import type { Action, Sending } from '../script.ts';

export const RECEIVERS = ['receiver-1', 'receiver-2', 'receiver-3'] as const;
export const READERS = ['stream-reader', 'poll-reader'] as const;
export type Receiver = (typeof RECEIVERS)[number];
export type Listener = Receiver | (typeof READERS)[number];

/** References that one transaction inserts. */
export interface Batch {
  readonly atMs: number;
  /** Which of the accounts. */
  readonly account: number;
  readonly count: number;
  /** `file`: a file of a message, which is dead at once. `voice`: a media id that WeChat does not know, dead after an attempt. */
  readonly kind: 'file' | 'voice';
  /** How long the transaction stays open behind the insert, while later ones commit. */
  readonly openMs: number;
  readonly later?: { readonly what: 'erase' | 'redrive'; readonly afterMs: number };
}

/** An account held by hand, and released. */
export interface Hold {
  readonly atMs: number;
  readonly account: number;
  readonly forMs: number;
}

export interface ListenerKill {
  readonly atMs: number;
  readonly who: Listener;
  readonly forMs: number;
}

export interface EventScript {
  readonly seed: number;
  /** About so many events come of it. */
  readonly events: number;
  readonly loadMs: number;
  /** At the beginning: few events and no kill. The delays are those of this time. */
  readonly calmMs: number;
  readonly lifeMs: number;
  readonly batches: readonly Batch[];
  readonly sendings: readonly Sending[];
  readonly holds: readonly Hold[];
  readonly actions: readonly Action[];
  readonly kills: readonly ListenerKill[];
}

export interface EventPlanOptions {
  readonly seed: number;
  readonly events: number;
  readonly minutes: number;
}

const MINUTE_MS = 60_000;
/** WeChat's three days, and with them the waits between the attempts of a webhook: five minutes take 0.8 s. */
const LIFE_MS = 12 * MINUTE_MS;
const ACCOUNTS = 3;
/** The account that is held; nothing but this is done with it, so that no other item waits. */
const HELD_ACCOUNT = 2;
/** How the events are divided; a voice has three, an erased file two. */
const SHARES = { files: 0.62, erased: 0.25, voices: 0.03, sent: 0.04 } as const;
const CALM_EVERY_MS = 200;
const CALM_COUNT = 2;
/** The last part of the load is without new kills. */
const QUIET_SHARE = 0.1;

type Kill = 'worker-1' | 'worker-2' | 'server' | 'sweeper-1' | 'redis' | 'postgres' | Listener;
/** In each minute once, in another order; the first ones more often. */
const KILLS: readonly Kill[] = [
  'worker-1',
  'worker-2',
  'server',
  'redis',
  'postgres',
  'sweeper-1',
  ...RECEIVERS,
  ...READERS,
  'server',
  'receiver-1',
  'stream-reader',
];

function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const left = [...items];
  return items.map(() => left.splice(random.between(0, left.length - 1), 1)[0]!);
}

function batchesOf(
  random: Random,
  {
    total,
    most,
    kind,
    later,
    fromMs,
    untilMs,
  }: {
    total: number;
    most: number;
    kind: Batch['kind'];
    /** Which part of the items is erased or redriven. */
    later: { what: 'erase' | 'redrive'; share: number };
    fromMs: number;
    untilMs: number;
  },
): Batch[] {
  const batches: Batch[] = [];
  let left = total;
  let toDo = Math.round(total * later.share);
  while (left > 0) {
    const count = Math.min(left, random.between(1, most));
    left -= count;
    const isChosen = toDo > 0 && random.chance(later.share * 1.2);
    if (isChosen) toDo -= count;
    batches.push({
      atMs: random.between(fromMs, untilMs),
      account: random.between(0, ACCOUNTS - 2),
      count,
      kind,
      openMs: random.chance(0.15) ? random.between(100, 3_000) : 0,
      ...(isChosen ? { later: { what: later.what, afterMs: random.between(500, 8_000) } } : {}),
    });
  }
  return batches;
}

function calmBatches(calmMs: number): Batch[] {
  return Array.from({ length: Math.floor(calmMs / CALM_EVERY_MS) }, (_, index) => ({
    atMs: index * CALM_EVERY_MS,
    account: index % (ACCOUNTS - 1),
    count: CALM_COUNT,
    kind: 'file' as const,
    openMs: 0,
  }));
}

function sendingsOf(random: Random, count: number, fromMs: number, untilMs: number): Sending[] {
  return Array.from(
    { length: count },
    (_, index): Sending => ({
      atMs: Math.round(fromMs + (index * (untilMs - fromMs)) / Math.max(1, count)),
      account: random.between(0, ACCOUNTS - 2),
      wish: { kind: 'voice', seed: index + 1, withPicUrl: false, withThumb: false },
      how: 'inOrder',
      ageShare: 0,
    }),
  );
}

function killsOf(random: Random, fromMs: number, untilMs: number, rounds: number) {
  const all = Array.from({ length: rounds }, () => shuffled(random, KILLS)).flat();
  const actions: Action[] = [];
  const kills: ListenerKill[] = [];
  for (const [index, who] of all.entries()) {
    const atMs = Math.round(fromMs + ((index + random.next()) * (untilMs - fromMs)) / all.length);
    const forMs = random.between(200, 2_500);
    if (who === 'redis') actions.push({ atMs, what: 'redis', how: 'kill', forMs });
    else if (who === 'postgres') actions.push({ atMs, what: 'postgres', how: 'crash', forMs });
    else if (isListener(who)) kills.push({ atMs, who, forMs: random.between(200, 6_000) });
    else actions.push({ atMs, what: 'kill', who, forMs });
  }
  return { actions, kills };
}

const isListener = (who: Kill): who is Listener =>
  [...RECEIVERS, ...READERS].some((listener) => listener === who);

export function planEvents({ seed, events, minutes }: EventPlanOptions): EventScript {
  const random = createRandom(seed);
  const loadMs = Math.round(minutes * MINUTE_MS);
  const calmMs = Math.round(Math.min(30_000, loadMs / 8));
  const untilMs = Math.round(loadMs * (1 - QUIET_SHARE));
  const most = Math.max(10, Math.round(events / 1_000));
  const { files, erased, voices, sent } = SHARES;
  const part = (share: number) => Math.round(events * share);
  const busy = { fromMs: calmMs, untilMs: loadMs };
  return {
    seed,
    events,
    loadMs,
    calmMs,
    lifeMs: LIFE_MS,
    batches: [
      ...calmBatches(calmMs),
      ...batchesOf(random, {
        total: part(files),
        most,
        kind: 'file',
        later: { what: 'erase', share: erased / files },
        ...busy,
      }),
      ...batchesOf(random, {
        total: part(voices),
        most: Math.min(most, 20),
        kind: 'voice',
        later: { what: 'redrive', share: 1 },
        ...busy,
      }),
    ].toSorted((a, b) => a.atMs - b.atMs),
    sendings: sendingsOf(random, part(sent), calmMs, loadMs),
    holds: Array.from({ length: Math.max(3, Math.round(events / 500)) }, () => ({
      atMs: random.between(calmMs, untilMs),
      account: HELD_ACCOUNT,
      forMs: random.between(50, 1_000),
    })).toSorted((a, b) => a.atMs - b.atMs),
    ...killsOf(random, calmMs, untilMs, Math.max(1, Math.round(minutes))),
  };
}

/** The short form that CI runs: each kind of kill once, the workers first, since their leases end only after 25 s. */
export function planFewEvents(seed: number): EventScript {
  const loadMs = 22_000;
  const script = planEvents({ seed, events: 3_000, minutes: loadMs / MINUTE_MS });
  const kill = (atMs: number, who: 'worker-1' | 'server' | 'sweeper-1'): Action => ({
    atMs,
    what: 'kill',
    who,
    forMs: 300,
  });
  return {
    ...script,
    // Jobs of a killed worker come back only after half a minute to a minute: nothing is archived before it is killed.
    batches: script.batches.map((batch) =>
      batch.kind === 'voice' ? { ...batch, atMs: Math.max(batch.atMs, loadMs / 2) } : batch,
    ),
    sendings: script.sendings.map((sending) => ({ ...sending, atMs: loadMs / 2 + sending.atMs / 2 })),
    actions: [
      kill(3_500, 'worker-1'),
      kill(6_000, 'server'),
      kill(7_000, 'sweeper-1'),
      { atMs: 10_000, what: 'postgres', how: 'crash', forMs: 500 },
      { atMs: 14_000, what: 'redis', how: 'kill', forMs: 300 },
    ],
    kills: [
      { atMs: 4_000, who: 'receiver-1', forMs: 1_500 },
      { atMs: 5_000, who: 'stream-reader', forMs: 300 },
      { atMs: 8_500, who: 'poll-reader', forMs: 300 },
      { atMs: 9_000, who: 'receiver-2', forMs: 500 },
      { atMs: 13_000, who: 'receiver-3', forMs: 3_000 },
      { atMs: 17_000, who: 'stream-reader', forMs: 1_000 },
    ],
  };
}
