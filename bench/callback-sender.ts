/** Sends callbacks like WeChat: signed and encrypted beforehand, so that only sending costs time while measuring. */
import { setTimeout as wait } from 'node:timers/promises';
import { Pool } from 'undici';
import { signMessage } from '../src/simulator/callbacks/signing.ts';
import { serveParent } from './child.ts';
import { ACCOUNT } from './shapes.ts';

interface Prepared {
  readonly mediaId: string;
  readonly path: string;
  readonly body: string;
}

const prepared: Prepared[] = [];
let serial = 0;
const pools = new Map<string, Pool>();

/** Prepares further messages, each with a media id that was never sent. */
function prepare(what: { count: number; sizeBytes: number; run: string; kind?: 'image' | 'video' }): void {
  const { count, sizeBytes, run, kind = 'image' } = what;
  const messages = Array.from({ length: count }, () => {
    const number = ++serial;
    const mediaId = `${kind}-${sizeBytes}.${run}-${number}`;
    const timestamp = String(Math.floor(Date.now() / 1000));
    const fields = {
      ToUserName: 'gh_benchmark0001',
      FromUserName: `oBenchmark${number % 1000}`,
      CreateTime: Number(timestamp),
      MsgType: kind,
      MediaId: mediaId,
      MsgId: 22_800_000_000_000_000n + BigInt(number),
    };
    const { query, body } = signMessage(
      { fields },
      {
        account: { ...ACCOUNT, product: 'official' as const },
        mode: 'safe',
        format: 'xml',
        timestamp,
        nonce: String(number),
      },
    );
    return { mediaId, path: `/wechat/${ACCOUNT.account}?${new URLSearchParams(query)}`, body };
  });
  prepared.push(...messages);
}

export interface Sent {
  readonly wallMs: number;
  /** Of each callback, from sending to its response. */
  readonly responseMs: readonly number[];
  /** When each was sent, milliseconds since 1970, by media id. */
  readonly sentAt: Readonly<Record<string, number>>;
  readonly refused: number;
}

/** Posts `count` prepared messages: `concurrency` at once, or at a steady rate independent of the responses. */
async function send(how: {
  url: string;
  count: number;
  concurrency: number;
  perSecond?: number;
}): Promise<Sent> {
  const pool = pools.get(how.url) ?? new Pool(how.url, { connections: how.concurrency, pipelining: 1 });
  pools.set(how.url, pool);
  const batch = prepared.splice(0, how.count);
  const responseMs: number[] = [];
  const sentAt: Record<string, number> = {};
  let refused = 0;
  const post = async ({ mediaId, path, body }: Prepared, dueAt?: number) => {
    sentAt[mediaId] = Date.now();
    // Counted from the time when it was due: a late sender must not hide a slow server.
    const startedAt = dueAt ?? performance.now();
    const headers = { 'content-type': 'text/xml' };
    const response = await pool.request({ path, method: 'POST', headers, body });
    if (response.statusCode !== 200) refused++;
    await response.body.dump();
    responseMs.push(performance.now() - startedAt);
  };
  const startedAt = performance.now();
  if (how.perSecond) {
    const posts: Promise<void>[] = [];
    for (const [index, one] of batch.entries()) {
      const dueAt = startedAt + (index / how.perSecond) * 1000;
      const early = dueAt - performance.now();
      if (early > 1) await wait(early);
      posts.push(post(one, dueAt));
    }
    await Promise.all(posts);
  } else {
    let next = 0;
    const sendNext = async () => {
      for (let one = batch[next++]; one; one = batch[next++]) await post(one);
    };
    await Promise.all(Array.from({ length: how.concurrency }, sendNext));
  }
  return { wallMs: performance.now() - startedAt, responseMs: responseMs, sentAt, refused };
}

serveParent({ prepare, send });
