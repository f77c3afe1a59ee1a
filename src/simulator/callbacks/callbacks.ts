/** Sends callbacks as WeChat does: signed, five seconds for the response, three attempts in total. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { createRandom } from '../../runtime/seeded-random.ts';
import type { SimulatedAccount } from '../accounts/access-tokens.ts';
import { sendRequest } from '../http/client.ts';
import type { RequestLog } from '../http/request-log.ts';
import {
  DELIVERY_PATTERNS,
  type DeliveryPattern,
  type DeliveryPatternName,
  type DeliveryStep,
} from './delivery-patterns.ts';
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
  /** The third-party platform that the account authorised: its token and key sign and encrypt. */
  readonly component?: Signer;
  /** The URL configured in WeChat's console: …/wechat/{account}. */
  readonly url: string;
  /** Default: safe where there is an EncodingAESKey, else plain. */
  readonly mode?: CallbackMode;
  readonly format?: CallbackFormat;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'debug'>;
  readonly requestLog: RequestLog;
  /** Default WeChat's 5 s. */
  readonly timeoutMs?: number;
  /** Between two attempts; default 1 s. */
  readonly pauseMs?: number;
  /** How far WeChat's clock is ahead of this one; default 0. */
  readonly skewMs?: number;
}

export interface Delivery {
  /** The last attempt got 200 with `success` or an empty body. */
  readonly accepted: boolean;
  /** The status of each attempt; 0 where no response came in time. */
  readonly statuses: readonly number[];
}

export interface Callbacks {
  /** Makes up to three attempts; with `twice`, an accepted message is sent again, as if its response had been lost. */
  send(message: Message, signal: AbortSignal, options?: { twice?: boolean }): Promise<Delivery>;
  /** Sends messages in a delivery pattern; the deliveries are in the pattern's order. `seed` decides a shuffled order. */
  sendAll(
    messages: readonly Message[],
    pattern: DeliveryPatternName,
    signal: AbortSignal,
    seed?: number,
  ): Promise<Delivery[]>;
  /** Sends the GET that WeChat makes when the URL is saved; resolves with whether the echostr came back unchanged. */
  sendHandshake(signal: AbortSignal): Promise<boolean>;
}

const ATTEMPTS = 3;

export function createCallbacks(options: CallbacksOptions): Callbacks {
  const { account, clock, log, requestLog, format = 'xml', timeoutMs = 5_000, pauseMs = 1_000 } = options;
  const signer = options.component ?? account;
  const mode = options.mode ?? (signer.encodingAesKey ? 'safe' : 'plain');
  const skewMs = options.skewMs ?? 0;
  const stamp = () => ({
    timestamp: String(Math.floor((clock.now().getTime() + skewMs) / 1000)),
    nonce: String(randomInt(100_000_000, 2_000_000_000)),
  });
  /** The last request of each message, for replays. */
  const lastRequests = new WeakMap<Message, SignedRequest>();

  function urlWith(query: Readonly<Record<string, string>>): URL {
    const url = new URL(options.url);
    for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
    return url;
  }

  async function attempt(
    { message, replay }: DeliveryStep,
    signal: AbortSignal,
  ): Promise<{ status: number; accepted: boolean }> {
    const signed =
      (replay && lastRequests.get(message)) ??
      signMessage(message, { account: signer, mode, format, ...stamp() });
    lastRequests.set(message, signed);
    const { query, body } = signed;
    const isXml = format === 'xml' || signer.product === 'wecom';
    const contentType = isXml ? 'text/xml' : 'application/json';
    requestLog.count('callbackAttempts');
    for (const mediaId of message.mediaIds) requestLog.callbackSent(message.account, mediaId);
    try {
      const response = await sendRequest(urlWith(query), { body, contentType }, timeoutMs, signal);
      const accepted = response.status === 200 && (response.body === 'success' || response.body === '');
      return { status: response.status, accepted };
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ err: error }, 'simulator: callback got no response');
      return { status: 0, accepted: false };
    }
  }

  async function deliver(step: DeliveryStep, signal: AbortSignal): Promise<Delivery> {
    const statuses: number[] = [];
    requestLog.count('callbacksSent');
    for (let attempts = 1; attempts <= ATTEMPTS; attempts++) {
      const { status, accepted } = await attempt(step, signal);
      statuses.push(status);
      if (accepted) {
        requestLog.count('callbacksAccepted');
        return { accepted: true, statuses };
      }
      if (attempts < ATTEMPTS) await clock.sleep(pauseMs, signal);
    }
    requestLog.count('callbacksLost');
    log.warn(
      { statuses, msgType: step.message.fields.MsgType },
      'simulator: callback lost, three attempts failed',
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
    sendAll: async (messages, pattern, signal, seed = 1) => {
      const { plan }: DeliveryPattern = DELIVERY_PATTERNS[pattern];
      const deliveries: Delivery[] = [];
      for (const concurrent of plan(messages, createRandom(seed)))
        deliveries.push(...(await Promise.all(concurrent.map((step) => deliver(step, signal)))));
      return deliveries;
    },
    sendHandshake: async (signal) => {
      const text = randomBytes(8).readBigUInt64BE().toString();
      try {
        const query = signHandshake(signer, text, stamp());
        const response = await sendRequest(urlWith(query), {}, timeoutMs, signal);
        return response.status === 200 && response.body === text;
      } catch {
        signal.throwIfAborted();
        return false;
      }
    },
  };
}
