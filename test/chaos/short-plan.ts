/** The short form that CI runs: fewer media, and each kind of kill and fault once, at a time chosen by hand. */
import { planOf } from './plan.ts';
import type { Action, Script, Shape } from './script.ts';

const LOAD_MS = 15_000;
const MEDIA_PER_MINUTE = 480;

/** A worker is killed early: its jobs come back only after half a minute to a minute. */
const PROCESSES: readonly Action[] = [
  { atMs: 1_500, what: 'kill', who: 'worker-1', forMs: 300 },
  { atMs: 2_500, what: 'wechat', account: 0, how: { accountFault: 'busyPercent', amount: 70 }, forMs: 2_500 },
  { atMs: 3_000, what: 'kill', who: 'sweeper-1', forMs: 500 },
  { atMs: 4_000, what: 'store', how: 'unavailable', forMs: 2_000 },
  { atMs: 4_500, what: 'wechat', account: 1, how: { accountWideFault: 'lengthTooSmall' }, forMs: 2_500 },
  { atMs: 5_000, what: 'postgres', how: 'stop', forMs: 2_500 },
  {
    atMs: 6_500,
    what: 'wechat',
    account: 0,
    how: { accountFault: 'tokenConflict', amount: 800 },
    forMs: 2_500,
  },
  { atMs: 7_000, what: 'store', how: 'forgetful', forMs: 1_500 },
  { atMs: 8_500, what: 'kill', who: 'server', forMs: 300 },
  { atMs: 9_500, what: 'wechat', account: 2, how: { accountFault: 'unauthorized' }, forMs: 2_000 },
  { atMs: 10_000, what: 'store', how: 'refused', forMs: 2_500 },
  { atMs: 10_500, what: 'wechat', account: 0, how: { accountWideFault: 'tokenRefused' }, forMs: 2_000 },
  { atMs: 11_000, what: 'postgres', how: 'crash', forMs: 500 },
];
const REDIS: readonly Action[] = [
  { atMs: 2_200, what: 'redis', how: 'flush', forMs: 0 },
  { atMs: 6_000, what: 'redis', how: 'kill', forMs: 500 },
  { atMs: 9_000, what: 'redis', how: 'forget', forMs: 500 },
];
const EMBEDDED: readonly Action[] = [
  { atMs: 2_500, what: 'wechat', account: 0, how: { accountFault: 'busyPercent', amount: 70 }, forMs: 2_500 },
  { atMs: 3_000, what: 'kill', who: 'all', forMs: 200 },
  { atMs: 4_500, what: 'wechat', account: 1, how: { accountWideFault: 'lengthTooSmall' }, forMs: 2_500 },
  {
    atMs: 6_500,
    what: 'wechat',
    account: 0,
    how: { accountFault: 'tokenConflict', amount: 800 },
    forMs: 2_500,
  },
  { atMs: 9_000, what: 'kill', who: 'all', forMs: 200 },
  { atMs: 9_500, what: 'wechat', account: 2, how: { accountFault: 'unauthorized' }, forMs: 2_000 },
];

export function shortPlanOf(shape: Shape, seed: number): Script {
  const script = planOf({
    seed,
    shape,
    minutes: LOAD_MS / 60_000,
    accounts: 3,
    mediaPerMinute: MEDIA_PER_MINUTE,
  });
  const actions =
    shape === 'embedded' ? EMBEDDED : shape === 'postgres' ? PROCESSES : [...PROCESSES, ...REDIS];
  return { ...script, untilAccepted: true, actions: actions.toSorted((a, b) => a.atMs - b.atMs) };
}
