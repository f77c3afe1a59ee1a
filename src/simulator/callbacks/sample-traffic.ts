/** The slow, endless stream of messages that `npm start` sends where no real account is configured. */
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { createRandom } from '../../runtime/seeded-random.ts';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import type { RequestLog } from '../http/request-log.ts';
import { type Callbacks, createCallbacks } from './callbacks.ts';
import {
  composeMessage,
  type MessageKind,
  type MessageSource,
  type MessageSpec,
  openIdOf,
} from './messages.ts';

const USERS = ['XiaoMing', 'LiLei', 'HanMeimei', 'AhQiang', 'LaoWang', 'Xiaofang', 'Tiantian'].map(openIdOf);

/** Cumulative shares of all messages. Videos are few, because each needs four times the space of a picture. */
const KINDS: readonly (readonly [MessageKind, number])[] = [
  ['image', 0.52],
  ['voice', 0.72],
  ['video', 0.79],
  ['shortvideo', 0.84],
  ['text', 0.96],
  ['event', 1],
];
const REDELIVERED_SHARE = 0.08;
const FAULTY_SHARE = 0.06;
const VIDEO_URL_SHARE = 0.5;
const WITH_16K_SHARE = 0.3;
/** The other voices are noise or a dialect, in which WeChat recognises nothing. */
const RECOGNISED_SHARE = 0.8;
const SENTENCES = [
  '你好，请问我的快递到哪里了？',
  '发票抬头麻烦改成公司的名字，谢谢。',
  '我想退货，衣服的尺码太小了。',
  '今天下午三点可以送货上门吗？',
  '付款成功了，但是订单还显示未支付。',
  '喂，听得到吗？这边信号不太好。',
  '请把说明书的照片再发我一遍。',
  '我妈妈的会员卡丢了，能不能补办一张？',
  '早上好，昨天说的那个优惠还有吗？',
  '机器一直响，屏幕上写着 E05，怎么办？',
];

const FAST_MESSAGES = 40;
const FAST_PAUSE_MS = 3_000;
const SLOW_PAUSE_MS = 30_000;

/** Fast for the first two minutes, when people watch, then slow: a day then needs about 50 MB of disk. */
export function pauseBefore(count: number): number {
  return count < FAST_MESSAGES ? FAST_PAUSE_MS : SLOW_PAUSE_MS;
}

/** Returns the next message; `random` returns [0, 1). */
export function randomMessage(account: string, random: () => number): { spec: MessageSpec; twice: boolean } {
  const share = random();
  const [kind] = KINDS.find(([, upTo]) => share < upTo)!;
  const seed = Math.floor(random() * 2 ** 32);
  const openId = USERS[Math.floor(random() * USERS.length)]!;
  const twice = random() < REDELIVERED_SHARE;
  const faulty = random();
  return {
    spec: {
      account,
      kind,
      seed,
      openId,
      with16k: random() < WITH_16K_SHARE,
      ...(kind === 'voice' &&
        random() < RECOGNISED_SHARE && { recognition: SENTENCES[seed % SENTENCES.length]! }),
      ...(kind === 'video' && random() < VIDEO_URL_SHARE
        ? { fault: { name: 'videoUrl' } as const }
        : faulty < FAULTY_SHARE && {
            fault: { name: faulty < FAULTY_SHARE / 2 ? 'shortBody' : 'systemBusy', times: 1 } as const,
          }),
    },
    twice,
  };
}

export interface SampleTrafficOptions {
  readonly simulator: MessageSource & { readonly requestLog: RequestLog };
  readonly account: SimulatedAccount;
  /** …/wechat/{account} of the service. */
  readonly callbackUrl: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the time of the start, so that every run shows other pictures. */
  readonly seed?: number;
  /** Returns the milliseconds before the message of that number; default {@link pauseBefore}. */
  readonly pauseBefore?: (count: number) => number;
  /** Default: those of createCallbacks. */
  readonly callbacks?: Pick<Callbacks, 'send'>;
}

/** Sends until the signal aborts, then resolves. Messages are lost while the service is down, as with WeChat. */
export async function sendSampleTraffic(options: SampleTrafficOptions, signal: AbortSignal): Promise<void> {
  const { simulator, account, clock, log } = options;
  const { requestLog } = simulator;
  const callbacks =
    options.callbacks ?? createCallbacks({ account, url: options.callbackUrl, clock, log, requestLog });
  const random = createRandom(options.seed ?? clock.now().getTime());
  const pause = options.pauseBefore ?? pauseBefore;
  try {
    for (let count = 0; ; count++) {
      await clock.sleep(pause(count), signal);
      const { spec, twice } = randomMessage(account.account, random);
      await callbacks.send(composeMessage(simulator, spec), signal, { twice });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
