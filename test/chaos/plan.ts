/** The script of a run, decided before it begins: a pure function of the seed and of how long it may take. */
import { createRandom, type Random } from './random.ts';
import {
  type Action,
  type Role,
  type Script,
  type Sending,
  type Shape,
  STORE_FAULTS,
  type WechatFault,
  type Wish,
} from './script.ts';

const MINUTE_MS = 60_000;
const MEDIA_PER_MINUTE = 1_000;
const KILLS_PER_MINUTE = 10;
/** When one process is everything: it must be back before it can be killed again. */
const KILLS_PER_MINUTE_OF_ONE = 6;
/** The last part of the load is without new faults, so that there is still work after the last one. */
const CALM_SHARE = 0.1;
/**
 * A tenth of it must be more than the minute that the queue needs to notice a dead worker, for that minute is not
 * scaled. Longer, and the rest of a day's quota would hold up the end of the run for too long.
 */
const LIFE_MS = 12 * MINUTE_MS;
const MIB = 1024 * 1024;

export interface PlanOptions {
  readonly seed: number;
  readonly shape: Shape;
  readonly minutes: number;
  readonly accounts: number;
  readonly mediaPerMinute?: number;
  readonly lifeMs?: number;
}

/** Responses that fail once or twice and then succeed: a later attempt gets the file. */
const PASSING: readonly (readonly [name: string, amount?: number])[] = [
  ['shortBody'],
  ['reset'],
  ['cutChunked'],
  ['stall'],
  ['noResponse'],
  ['lengthTooLarge'],
  ['lengthTooSmall'],
  ['longBody'],
  ['html200'],
  ['http502'],
  ['emptyBody'],
  ['systemBusy'],
  ['tokenRefused'],
  ['tokenExpired'],
  ['resetAtOnce'],
  ['gzip'],
  ['errcodeZero'],
];
/** Odd, but the file is there. */
const ODD: readonly (readonly [name: string, amount?: number])[] = [
  ['noLength'],
  ['chunked'],
  ['slow', 700],
  ['trickle', 60],
  ['wrongType'],
  ['oddContentDisposition'],
  ['pathTraversalName'],
];
const ODD_VIDEOS = ['videoUrl', 'videoUrlEscaped', 'videoUrlCut', 'videoUrlForbidden'] as const;

function behaviourOf(random: Random, kind: Wish['kind']): Pick<Wish, 'fault'> {
  const dice = random.next();
  if (dice < 0.01) return { fault: { name: 'invalid' } };
  if (dice < 0.12) {
    const [name, amount] = random.pick(PASSING);
    return {
      fault: { name, times: random.between(1, 2), ...(amount !== undefined && { amount }) },
    };
  }
  if (dice < 0.2) {
    const [name, amount] = random.pick(ODD);
    return { fault: { name, ...(amount !== undefined && { amount }) } };
  }
  if (kind === 'video' && dice < 0.5) return { fault: { name: random.pick(ODD_VIDEOS), amount: 1 } };
  return {};
}

function wishOf(random: Random, seed: number): Pick<Sending, 'wish' | 'ageShare'> {
  const kind = random.pick(['image', 'image', 'image', 'voice', 'voice', 'video', 'shortvideo'] as const);
  const isFilm = kind === 'video' || kind === 'shortvideo';
  const late = random.next();
  const wish: Wish = {
    kind,
    seed,
    ...(isFilm && random.chance(0.12) && { sizeBytes: random.between(9, 20) * MIB }),
    ...behaviourOf(random, kind),
    withPicUrl: random.chance(0.6),
    withThumb: random.chance(0.3),
  };
  // Never served, and little time left: these must be seen to expire.
  if (late < 0.01) return { wish: { ...wish, fault: { name: 'shortBody' } }, ageShare: 0.95 };
  if (late < 0.02) return { wish, ageShare: 1.05 };
  if (late < 0.12) return { wish, ageShare: random.between(10, 50) / 100 };
  return { wish, ageShare: 0 };
}

function sendingsOf(random: Random, options: PlanOptions, loadMs: number): Sending[] {
  const count = Math.round((options.mediaPerMinute ?? MEDIA_PER_MINUTE) * (loadMs / MINUTE_MS));
  return Array.from({ length: count }, (_, index) => {
    const again = random.next();
    return {
      atMs: Math.round((index * loadMs) / count),
      // Most of it is one account's, as in life.
      account: random.chance(0.6) ? 0 : random.between(0, options.accounts - 1),
      ...wishOf(random, index + 1),
      how: again < 0.22 ? random.pick(['redelivered', 'duplicated', 'replayed'] as const) : 'inOrder',
      ...(again >= 0.22 && again < 0.34 && { againAfterMs: random.between(500, 15_000) }),
    };
  });
}

/** What may die, and how often beside each other. */
function killsOf(
  shape: Shape,
): readonly (readonly [weight: number, action: (random: Random) => ActionBody])[] {
  const kill =
    (...who: Role[]) =>
    (random: Random) =>
      ({ what: 'kill', who: random.pick(who), forMs: random.between(200, 2_500) }) as const;
  if (shape === 'embedded') return [[1, kill('all')]];
  const processes = [
    [40, kill('worker-1', 'worker-2')],
    [16, kill('server')],
    [12, kill('sweeper-1', 'sweeper-2')],
    [
      6,
      (random: Random) => ({ what: 'postgres', how: 'stop', forMs: random.between(2_000, 9_000) }) as const,
    ],
    [5, (random: Random) => ({ what: 'postgres', how: 'crash', forMs: random.between(200, 2_000) }) as const],
    [
      3,
      (random: Random) =>
        ({
          what: 'freeze',
          who: random.pick(['worker-1', 'worker-2'] as const),
          forMs: random.between(20, 45) * 1_000,
        }) as const,
    ],
  ] as const;
  if (shape === 'postgres') return processes;
  const redis = (how: 'kill' | 'forget' | 'flush' | 'rewind') => (random: Random) =>
    ({ what: 'redis', how, forMs: random.between(100, 3_000) }) as const;
  return [...processes, [7, redis('kill')], [4, redis('forget')], [6, redis('flush')], [2, redis('rewind')]];
}

type ActionBody = Action extends infer One ? (One extends Action ? Omit<One, 'atMs'> : never) : never;

const WECHAT_FAULTS: readonly WechatFault[] = [
  { accountFault: 'busyPercent', amount: 100 },
  { accountFault: 'busyPercent', amount: 60 },
  { accountFault: 'dayQuota', amount: 0 },
  { accountFault: 'minuteQuota', amount: 5 },
  { accountFault: 'ipNotAllowed' },
  { accountFault: 'unauthorized' },
  { accountFault: 'tokenConflict', amount: 1_500 },
  { accountFault: 'concurrencyLimit', amount: 2 },
  { accountWideFault: 'tokenRefused' },
  { accountWideFault: 'shortBody' },
  { accountWideFault: 'lengthTooLarge' },
  { accountWideFault: 'lengthTooSmall' },
  { accountWideFault: 'stall' },
  { accountWideFault: 'http502' },
];

function weighted<Item>(random: Random, items: readonly (readonly [weight: number, item: Item])[]): Item {
  let left = random.next() * items.reduce((sum, [weight]) => sum + weight, 0);
  return items.find(([weight]) => {
    left -= weight;
    return left < 0;
  })![1];
}

/** `perMinute` times a minute, none of them in the calm at the end. */
function spread(
  random: Random,
  loadMs: number,
  perMinute: number,
  action: (random: Random) => ActionBody,
): Action[] {
  const span = loadMs * (1 - CALM_SHARE);
  const count = Math.max(1, Math.round((perMinute * loadMs) / MINUTE_MS));
  return Array.from({ length: count }, (_, index) => {
    const body = action(random);
    const atMs = Math.round(((index + random.next()) * span) / count);
    // Everything has ended when the load has.
    return { atMs, ...body, forMs: Math.min(body.forMs, Math.max(200, loadMs - atMs)) } as Action;
  });
}

export function planOf(options: PlanOptions): Script {
  const { seed, shape, minutes } = options;
  const random = createRandom(seed);
  const loadMs = Math.round(minutes * MINUTE_MS);
  const kills = killsOf(shape);
  const perMinute = shape === 'embedded' ? KILLS_PER_MINUTE_OF_ONE : KILLS_PER_MINUTE;
  const actions = spread(random, loadMs, perMinute, (chance) => weighted(chance, kills)(chance));
  for (let account = 0; account < options.accounts; account++) {
    actions.push(
      ...spread(random, loadMs, 1.5, (chance) => ({
        what: 'wechat',
        account,
        how: chance.pick(WECHAT_FAULTS),
        forMs: chance.between(3_000, 9_000),
      })),
      ...spread(random, loadMs, 0.5, () => ({ what: 'newToken', account, forMs: 0 })),
    );
  }
  if (shape !== 'embedded') {
    actions.push(
      ...spread(random, loadMs, 2, (chance) => ({
        what: 'store',
        how: chance.pick(STORE_FAULTS),
        forMs: chance.between(2_000, 7_000),
      })),
    );
  }
  return {
    seed,
    shape,
    loadMs,
    lifeMs: options.lifeMs ?? LIFE_MS,
    sendings: sendingsOf(random, options, loadMs),
    actions: actions.sort((a, b) => a.atMs - b.atMs),
  };
}
