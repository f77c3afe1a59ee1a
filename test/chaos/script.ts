/** The words of a script: what is sent and what is done to the service, each at its time. Plain JSON. */

export const SHAPES = ['embedded', 'postgres', 'redis'] as const;
export type Shape = (typeof SHAPES)[number];

/** As the stand-in's `POST send` takes it (docs/simulator.md). */
export interface Wish {
  readonly kind: 'image' | 'voice' | 'video' | 'shortvideo';
  readonly seed: number;
  readonly sizeBytes?: number;
  readonly fault?: { readonly name: string; readonly times?: number; readonly amount?: number };
  readonly withPicUrl?: boolean;
  readonly withThumb?: boolean;
}

export const DELIVERIES = ['inOrder', 'redelivered', 'duplicated', 'replayed'] as const;

export interface Sending {
  readonly atMs: number;
  /** Which of the accounts. */
  readonly account: number;
  readonly wish: Wish;
  readonly how: (typeof DELIVERIES)[number];
  /** How much of its life is over when the callback arrives; 1 and more: WeChat does not have it any more. */
  readonly ageShare: number;
  /** Sent once more after so long, as a new callback of the same message. */
  readonly againAfterMs?: number;
}

export type Role = 'server' | 'worker-1' | 'worker-2' | 'sweeper-1' | 'sweeper-2' | 'all';

export const STORE_FAULTS = [
  'unavailable',
  'reset',
  'stall',
  'refused',
  'forgetful',
  'forgetfulStart',
] as const;
export type StoreFault = (typeof STORE_FAULTS)[number];

/** A fault of the account, or a fault of every response of media/get to the account. */
export type WechatFault =
  | { readonly accountFault: string; readonly amount?: number }
  | { readonly accountWideFault: string; readonly amount?: number };

export type Action = { readonly atMs: number } & (
  | { readonly what: 'kill'; readonly who: Role; readonly forMs: number }
  /** SIGSTOP, then SIGCONT: a machine that slept. Other workers have its items by then. */
  | { readonly what: 'freeze'; readonly who: Role; readonly forMs: number }
  /** `forget`: without what was on its disk. `rewind`: with what it held a while ago. */
  | { readonly what: 'redis'; readonly how: 'kill' | 'forget' | 'flush' | 'rewind'; readonly forMs: number }
  | { readonly what: 'postgres'; readonly how: 'stop' | 'crash'; readonly forMs: number }
  | { readonly what: 'store'; readonly how: StoreFault; readonly forMs: number }
  | { readonly what: 'wechat'; readonly account: number; readonly how: WechatFault; readonly forMs: number }
  | { readonly what: 'newToken'; readonly account: number; readonly forMs: number }
);

export interface Script {
  readonly seed: number;
  readonly shape: Shape;
  /** How long callbacks are sent and faults begin; afterwards the run waits until nothing is left to do. */
  readonly loadMs: number;
  /** WeChat's three days, as they are played here. */
  readonly lifeMs: number;
  /** WeChat gives up a callback after three attempts; here it is sent again, so that a slow machine accepts as much. */
  readonly untilAccepted?: true;
  readonly sendings: readonly Sending[];
  readonly actions: readonly Action[];
}

const DAY_MS = 86_400_000;
/** What TIME_SCALE must be for three days to pass in `lifeMs`. */
export const timeScaleOf = (lifeMs: number): number => (3 * DAY_MS) / lifeMs;
