/** Mutated, cut, spliced and hostile callbacks, signed and unsigned. Repeatable by seed. */
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import { readCallback, readHandshake } from '../../../src/wechat/callback/read-callback.ts';
import { AES_KEY, account, encrypt, encryptedQuery, encryptRaw, NOW, plainQuery, xml } from './vectors.ts';

export interface FuzzFigures {
  readonly cases: number;
  readonly outcomes: Record<string, number>;
  readonly slowestMs: number;
  /** The input of the slowest case, as JSON, cut. */
  readonly slowest: string;
  /** Heap in use after a collection, where there is one, at a tenth of the way and at the end. */
  readonly heapBytes: readonly [early: number, late: number];
}

export const ACCOUNTS = [
  account(),
  account({ requireEncryption: true }),
  account({ product: 'miniprogram' }),
  account({ product: 'wecom' }),
  account({ tokenSource: { type: 'component', componentAppId: account().appId } }),
];
const MESSAGES = [
  xml({
    ToUserName: 'gh_1',
    FromUserName: 'o1',
    CreateTime: '1714112445',
    MsgType: 'image',
    MsgId: '1',
    MediaId: 'm',
    PicUrl: 'http://mmbiz.qpic.cn/x/0',
  }),
  xml({ FromUserName: 'o1', MsgType: 'video', MediaId: 'm', ThumbMediaId: 't', MsgId: '2' }),
  xml({ MsgType: 'event', Event: 'kf_msg_or_event', Token: 'T', OpenKfId: 'wk' }),
  xml({ InfoType: 'component_verify_ticket', ComponentVerifyTicket: 'ticket@@@x' }),
  '{"ToUserName":"gh_1","CreateTime":1714112445,"MsgType":"voice","MediaId":"m","MediaId16K":"n","MsgId":6074746557628292943}',
  '<xml><MsgType>file</MsgType><MsgId>3</MsgId><Title>&lt;&#x4e2d;&amp;</Title></xml>',
];
const SPICE = [
  '<![CDATA[',
  ']]>',
  '<!DOCTYPE x [<!ENTITY a "b">]>',
  '<!--',
  '-->',
  '&a;',
  '&#0;',
  '&#xD800;',
  '<?xml?>',
  '</xml>',
  '<xml>',
  '<a b="',
  '{',
  '}',
  '[',
  '"',
  '\\u0000',
  '\\ud800',
  '\u0000',
  '\uFEFF',
  '\uFFFF',
  '__proto__',
  'constructor',
  'Encrypt',
  '<Encrypt>',
  '{"Encrypt":',
  '1e999',
  '-',
  '9'.repeat(400),
  ' '.repeat(3000),
  '<a>'.repeat(300),
  '{"a":'.repeat(3000),
  '['.repeat(30_000),
  '&'.repeat(5000),
  '<'.repeat(5000),
  'é中😀',
];

export interface FuzzCase {
  readonly who: (typeof ACCOUNTS)[number];
  readonly query: Record<string, unknown>;
  readonly body: Buffer;
}

/** Returns an endless sequence of cases, the same for the same seed. */
export function casesOf(seed: number): () => FuzzCase {
  const random = createRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

  function mutate(text: string): string {
    let result = text;
    for (let times = below(5); times > 0; times--) {
      const at = below(result.length + 1);
      const end = at + below(Math.min(20, result.length - at + 1));
      const middle = [pick(SPICE), '', result.slice(at, end).repeat(2), String.fromCharCode(below(256))];
      result = result.slice(0, at) + pick(middle) + result.slice(end);
    }
    return random() < 0.02 ? result.repeat(2 + below(20)).slice(0, 65_536) : result;
  }

  function flip(bytes: Buffer): Buffer {
    for (let times = below(4); times > 0 && bytes.length > 0; times--)
      bytes[below(bytes.length)] = below(256);
    return bytes;
  }

  /** Returns a valid ciphertext or one of a malformed plaintext; some are changed. */
  function ciphertextOf(message: string): string {
    const key = Buffer.from(`${AES_KEY}=`, 'base64');
    const hostile = () => {
      const bytes = Buffer.alloc(16 * (1 + below(8)), below(256));
      if (random() < 0.5) bytes.writeUInt32BE(below(2 ** 32), Math.min(16, bytes.length - 4));
      bytes[bytes.length - 1] = below(48);
      return encryptRaw(flip(bytes), key);
    };
    const text = random() < 0.6 ? encrypt(message, AES_KEY, pick(['', 'wx', account().appId])) : hostile();
    return random() < 0.3 ? mutate(text) : text;
  }

  return () => {
    const who = pick(ACCOUNTS);
    const message = mutate(pick(MESSAGES));
    if (random() < 0.5) {
      const body = flip(Buffer.from(message));
      return { who, query: random() < 0.9 ? plainQuery() : { signature: mutate('a'.repeat(40)) }, body };
    }
    const encrypted = ciphertextOf(message);
    const outer =
      random() < 0.5 ? xml({ ToUserName: 'gh', Encrypt: encrypted }) : JSON.stringify({ Encrypt: encrypted });
    const body = Buffer.from(random() < 0.2 ? mutate(outer) : outer);
    return { who, query: encryptedQuery(encrypted), body };
  };
}

/** Runs the cases. Throws with the case where reading it threw. */
export function fuzz(options: { cases: number; seed: number }): FuzzFigures {
  const make = casesOf(options.seed);
  const outcomes: Record<string, number> = {};
  let slowestMs = 0;
  let slowest = '';
  let earlyBytes = 0;
  for (let index = 0; index < options.cases; index++) {
    const { who, query, body } = make();
    let outcome = '';
    const run = (): number => {
      const startedMs = performance.now();
      try {
        const result = readCallback(who, { query, body, now: NOW });
        outcome = result.kind === 'refused' ? `${result.status} ${result.code}` : result.kind;
        readHandshake(who, { ...query, echostr: body.toString('latin1') });
      } catch (error) {
        throw new Error(`case ${index} of seed ${options.seed}: ${body.toString('base64')}`, {
          cause: error,
        });
      }
      return performance.now() - startedMs;
    };
    // A slow one is run again: a pause of the machine, or a collection, is not the case's.
    let tookMs = run();
    for (let again = 0; again < 3 && tookMs > 2; again++) tookMs = Math.min(tookMs, run());
    if (tookMs > slowestMs)
      [slowestMs, slowest] = [tookMs, JSON.stringify(body.toString('latin1')).slice(0, 200)];
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (index === Math.floor(options.cases / 10)) earlyBytes = heapBytes();
  }
  return { cases: options.cases, outcomes, slowestMs, slowest, heapBytes: [earlyBytes, heapBytes()] };
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
