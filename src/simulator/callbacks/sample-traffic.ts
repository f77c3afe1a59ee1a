/** The endless, gentle stream of messages that `npm start` shows where no real account is configured. */
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { createRandom } from '../../runtime/seeded-random.ts';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import type { Simulator } from '../server.ts';
import { type Callbacks, createCallbacks } from './callbacks.ts';
import { composeMessage, type MessageKind, type MessageWish, openIdOf } from './messages.ts';

const CAST = ['XiaoMing', 'LiLei', 'HanMeimei', 'AhQiang', 'LaoWang', 'Xiaofang', 'Tiantian'].map(openIdOf);

/** Shares of all messages, added up. Videos are few: each takes ten times the room of a picture. */
const MIX: readonly (readonly [MessageKind, number])[] = [
  ['image', 0.52],
  ['voice', 0.72],
  ['video', 0.79],
  ['shortvideo', 0.84],
  ['text', 0.96],
  ['event', 1],
];
const REDELIVERED_SHARE = 0.08;
const TROUBLED_SHARE = 0.06;

const LIVELY_MESSAGES = 40;
const LIVELY_PAUSE_MS = 3_000;
const CALM_PAUSE_MS = 30_000;

/** Lively while somebody may be watching, then calm: a day of it then fills about 200 MB of disk. */
export function pauseBefore(count: number): number {
  return count < LIVELY_MESSAGES ? LIVELY_PAUSE_MS : CALM_PAUSE_MS;
}

/** What the next message is; `random` gives numbers in [0, 1). */
export function decideMessage(account: string, random: () => number): { wish: MessageWish; twice: boolean } {
  const ticket = random();
  const [kind] = MIX.find(([, share]) => ticket < share)!;
  const seed = Math.floor(random() * 2 ** 32);
  const openId = CAST[Math.floor(random() * CAST.length)]!;
  const twice = random() < REDELIVERED_SHARE;
  const trouble = random();
  return {
    wish: {
      account,
      kind,
      seed,
      openId,
      with16k: random() < 0.3,
      ...(kind === 'video' && random() < 0.5
        ? { behaviour: { name: 'videoUrl' } as const }
        : trouble < TROUBLED_SHARE && {
            behaviour: { name: trouble < TROUBLED_SHARE / 2 ? 'shortBody' : 'systemBusy', times: 1 } as const,
          }),
    },
    twice,
  };
}

export interface SenderOptions {
  readonly simulator: Simulator;
  readonly account: SimulatedAccount;
  /** …/wechat/{account} of the service under show. */
  readonly callbackUrl: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the time of the start, so that every run shows other pictures. */
  readonly seed?: number;
  /** Milliseconds before the message of that number; default {@link pauseBefore}. */
  readonly pauseBefore?: (count: number) => number;
  /** Default: as createCallbacks makes them. */
  readonly callbacks?: Pick<Callbacks, 'send'>;
}

/** Sends until the signal is aborted, then resolves. A service that is away loses messages, as with WeChat. */
export async function keepSending(options: SenderOptions, signal: AbortSignal): Promise<void> {
  const { simulator, account, clock, log } = options;
  const callbacks =
    options.callbacks ??
    createCallbacks({ account, url: options.callbackUrl, clock, log, ledger: simulator.ledger });
  const random = createRandom(options.seed ?? clock.now().getTime());
  const pause = options.pauseBefore ?? pauseBefore;
  try {
    for (let count = 0; ; count++) {
      await clock.sleep(pause(count), signal);
      const { wish, twice } = decideMessage(account.account, random);
      await callbacks.send(composeMessage(simulator, wish), signal, { twice });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
