/** Sends callbacks as WeChat does: signed, five seconds to answer, three attempts in total. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { createRandom } from '../../runtime/seeded-random.ts';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import { knock } from '../http/client.ts';
import type { Ledger } from '../http/request-log.ts';
import { DELIVERIES, type DeliveryName, type DeliveryRow, type Step } from './delivery-patterns.ts';
import type { Message } from './messages.ts';
import {
  type CallbackFormat,
  type CallbackMode,
  type SignedRequest,
  type Signer,
  signHandshake,
  signMessage,
} from './signing.ts';

export interface CallbacksOptions {
  readonly account: SimulatedAccount;
  /** The platform that the account authorised: its token and key sign and seal. */
  readonly component?: Signer;
  /** The URL typed into WeChat's console: …/wechat/{account}. */
  readonly url: string;
  /** Default: safe where there is an EncodingAESKey, else plain. */
  readonly mode?: CallbackMode;
  readonly format?: CallbackFormat;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'debug'>;
  readonly ledger: Ledger;
  /** Default WeChat's 5 s. */
  readonly timeoutMs?: number;
  /** Between two attempts; default 1 s. */
  readonly pauseMs?: number;
  /** How far WeChat's clock is ahead of ours; default 0. */
  readonly skewMs?: number;
}

export interface Delivery {
  /** Answered 200 with `success` or nothing. */
  readonly accepted: boolean;
  /** Status of each attempt; 0 where there was no answer in time. */
  readonly statuses: readonly number[];
}

export interface Callbacks {
  /** Up to three attempts; with `twice`, a message that was accepted is sent again, as if its answer were lost. */
  send(message: Message, signal: AbortSignal, options?: { twice?: boolean }): Promise<Delivery>;
  /** Many messages in the way of that row; the deliveries in the order of the plan. `seed` is for shuffling. */
  sendAll(
    messages: readonly Message[],
    how: DeliveryName,
    signal: AbortSignal,
    seed?: number,
  ): Promise<Delivery[]>;
  /** The GET that WeChat makes when the URL is saved. True: the echostr came back as it was. */
  sendHandshake(signal: AbortSignal): Promise<boolean>;
}

const ATTEMPTS = 3;

export function createCallbacks(options: CallbacksOptions): Callbacks {
  const { account, clock, log, ledger, format = 'xml', timeoutMs = 5_000, pauseMs = 1_000 } = options;
  const signer = options.component ?? account;
  const mode = options.mode ?? (signer.encodingAesKey ? 'safe' : 'plain');
  const skewMs = options.skewMs ?? 0;
  const stamp = () => ({
    timestamp: String(Math.floor((clock.now().getTime() + skewMs) / 1000)),
    nonce: String(randomInt(100_000_000, 2_000_000_000)),
  });
  /** For replays: the bytes of the last time. */
  const sent = new WeakMap<Message, SignedRequest>();

  function urlWith(query: Readonly<Record<string, string>>): URL {
    const url = new URL(options.url);
    for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
    return url;
  }

  /** The status, and whether WeChat would be content. */
  async function attempt(
    { message, replay }: Step,
    signal: AbortSignal,
  ): Promise<{ status: number; content: boolean }> {
    const signed =
      (replay && sent.get(message)) ?? signMessage(message, { account: signer, mode, format, ...stamp() });
    sent.set(message, signed);
    const { query, body } = signed;
    const isXml = format === 'xml' || signer.product === 'wecom';
    const contentType = isXml ? 'text/xml' : 'application/json';
    ledger.count('callbackAttempts');
    for (const mediaId of message.mediaIds) ledger.sent(message.account, mediaId);
    try {
      const answer = await knock(urlWith(query), { body, contentType }, timeoutMs, signal);
      const content = answer.status === 200 && (answer.body === 'success' || answer.body === '');
      return { status: answer.status, content };
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ err: error }, 'the simulated callback had no answer');
      return { status: 0, content: false };
    }
  }

  async function deliver(step: Step, signal: AbortSignal): Promise<Delivery> {
    const statuses: number[] = [];
    ledger.count('callbacksSent');
    for (let attempts = 1; attempts <= ATTEMPTS; attempts++) {
      const { status, content } = await attempt(step, signal);
      statuses.push(status);
      if (content) {
        ledger.count('callbacksAnswered');
        return { accepted: true, statuses };
      }
      if (attempts < ATTEMPTS) await clock.sleep(pauseMs, signal);
    }
    ledger.count('callbacksLost');
    log.warn(
      { statuses, msgType: step.message.fields.MsgType },
      'a simulated callback was lost: three attempts failed',
    );
    return { accepted: false, statuses };
  }

  return {
    send: async (message, signal, { twice = false } = {}) => {
      const first = await deliver({ message }, signal);
      if (!twice || !first.accepted) return first;
      const second = await deliver({ message }, signal);
      return { accepted: second.accepted, statuses: [...first.statuses, ...second.statuses] };
    },
    sendAll: async (messages, how, signal, seed = 1) => {
      const row: DeliveryRow = DELIVERIES[how];
      const deliveries: Delivery[] = [];
      for (const together of row.plan(messages, createRandom(seed)))
        deliveries.push(...(await Promise.all(together.map((step) => deliver(step, signal)))));
      return deliveries;
    },
    sendHandshake: async (signal) => {
      const text = randomBytes(8).readBigUInt64BE().toString();
      try {
        const query = signHandshake(signer, text, stamp());
        const answer = await knock(urlWith(query), {}, timeoutMs, signal);
        return answer.status === 200 && answer.body === text;
      } catch {
        signal.throwIfAborted();
        return false;
      }
    },
  };
}
