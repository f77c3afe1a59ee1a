/** Sends callbacks as WeChat does: signed, five seconds to answer, three attempts in total. */
import { randomBytes, randomInt } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { SimulatedAccount } from './access-tokens.ts';
import { encryptMessage, signatureOf } from './envelope.ts';
import type { Ledger } from './ledger.ts';
import { type Message, toJson, toXml } from './messages.ts';

/** Compatible bodies hold the plain fields and the encrypted copy. */
export type CallbackMode = 'plain' | 'compatible' | 'safe';

export interface CallbacksOptions {
  readonly account: SimulatedAccount;
  /** The URL typed into WeChat's console: …/wechat/{account}. */
  readonly url: string;
  /** Default: safe where the account has an EncodingAESKey, else plain. */
  readonly mode?: CallbackMode;
  readonly format?: 'xml' | 'json';
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'debug'>;
  readonly ledger: Ledger;
  /** Default WeChat's 5 s. */
  readonly timeoutMs?: number;
  /** Between two attempts; default 1 s. */
  readonly pauseMs?: number;
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
  /** The GET that WeChat makes when the URL is saved. True: the echostr came back as it was. */
  sendHandshake(signal: AbortSignal): Promise<boolean>;
}

const ATTEMPTS = 3;
const ANSWER_BYTES_MAX = 65_536;

export interface SignedRequest {
  readonly query: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Query and body of one callback. `timestamp` in seconds, `random` 16 bytes: given only by tests. */
export function signMessage(
  message: Pick<Message, 'fields'>,
  options: {
    account: SimulatedAccount;
    mode: CallbackMode;
    format: 'xml' | 'json';
    timestamp: string;
    nonce: string;
    random?: Buffer;
  },
): SignedRequest {
  const { account, mode, timestamp, nonce } = options;
  const write = options.format === 'xml' ? toXml : toJson;
  const query = {
    signature: signatureOf(account.token, timestamp, nonce),
    timestamp,
    nonce,
    openid: String(message.fields.FromUserName),
  };
  if (mode === 'plain') return { query, body: write(message.fields) };
  if (!account.encodingAesKey) throw new RangeError(`${account.account} has no EncodingAESKey`);
  const Encrypt = encryptMessage(write(message.fields), {
    encodingAesKey: account.encodingAesKey,
    appId: account.appId,
    ...(options.random && { random: options.random }),
  });
  const outer = mode === 'safe' ? { ToUserName: message.fields.ToUserName! } : message.fields;
  return {
    query: {
      ...query,
      encrypt_type: 'aes',
      msg_signature: signatureOf(account.token, timestamp, nonce, Encrypt),
    },
    body: write({ ...outer, Encrypt }),
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request on a connection of its own; rejects on failure, timeout, abort or an endless answer. */
function exchange(
  url: URL,
  { body, contentType }: { body?: string; contentType?: string },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: body === undefined ? 'GET' : 'POST',
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        headers: {
          'User-Agent': 'Mozilla/4.0',
          ...(body !== undefined && {
            'Content-Type': contentType,
            'Content-Length': Buffer.byteLength(body),
          }),
        },
      },
      async (incoming) => {
        try {
          let text = '';
          incoming.setEncoding('utf8');
          for await (const piece of incoming) {
            text += piece;
            if (text.length > ANSWER_BYTES_MAX) throw new Error('the answer does not end');
          }
          resolve({ status: incoming.statusCode ?? 0, body: text });
        } catch (error) {
          reject(error);
        }
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

export function createCallbacks(options: CallbacksOptions): Callbacks {
  const { account, clock, log, ledger, format = 'xml', timeoutMs = 5_000, pauseMs = 1_000 } = options;
  const mode = options.mode ?? (account.encodingAesKey ? 'safe' : 'plain');
  const stamp = () => String(Math.floor(clock.now().getTime() / 1000));
  const nonce = () => String(randomInt(100_000_000, 2_000_000_000));

  function urlWith(query: Readonly<Record<string, string>>): URL {
    const url = new URL(options.url);
    for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
    return url;
  }

  /** The status, and whether WeChat would be content. */
  async function attempt(
    message: Message,
    signal: AbortSignal,
  ): Promise<{ status: number; content: boolean }> {
    const { query, body } = signMessage(message, {
      account,
      mode,
      format,
      timestamp: stamp(),
      nonce: nonce(),
    });
    const contentType = format === 'xml' ? 'text/xml' : 'application/json';
    ledger.count('callbackAttempts');
    for (const mediaId of message.mediaIds) ledger.sent(message.account, mediaId);
    try {
      const answer = await exchange(urlWith(query), { body, contentType }, timeoutMs, signal);
      const content = answer.status === 200 && (answer.body === 'success' || answer.body === '');
      return { status: answer.status, content };
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ err: error }, 'the simulated callback had no answer');
      return { status: 0, content: false };
    }
  }

  async function deliver(message: Message, signal: AbortSignal): Promise<Delivery> {
    const statuses: number[] = [];
    ledger.count('callbacksSent');
    for (let attempts = 1; attempts <= ATTEMPTS; attempts++) {
      const { status, content } = await attempt(message, signal);
      statuses.push(status);
      if (content) {
        ledger.count('callbacksAnswered');
        return { accepted: true, statuses };
      }
      if (attempts < ATTEMPTS) await clock.sleep(pauseMs, signal);
    }
    ledger.count('callbacksLost');
    log.warn(
      { statuses, msgType: message.fields.MsgType },
      'a simulated callback was lost: three attempts failed',
    );
    return { accepted: false, statuses };
  }

  return {
    send: async (message, signal, { twice = false } = {}) => {
      const first = await deliver(message, signal);
      if (!twice || !first.accepted) return first;
      const second = await deliver(message, signal);
      return { accepted: second.accepted, statuses: [...first.statuses, ...second.statuses] };
    },
    sendHandshake: async (signal) => {
      const query = {
        timestamp: stamp(),
        nonce: nonce(),
        echostr: randomBytes(8).readBigUInt64BE().toString(),
      };
      const signature = signatureOf(account.token, query.timestamp, query.nonce);
      try {
        const answer = await exchange(urlWith({ signature, ...query }), {}, timeoutMs, signal);
        return answer.status === 200 && answer.body === query.echostr;
      } catch {
        signal.throwIfAborted();
        return false;
      }
    },
  };
}
