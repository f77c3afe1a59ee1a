/** A thousand clients that never finish what they send: they end in time, and whoever is signed finds his place. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { LISTENER_LIMITS, type ListenerLimits } from '../../../src/runtime/network/server-limits.ts';
import { openTestServer, PLAIN, type TestServer } from '../setup.ts';

const LIMITS: ListenerLimits = { ...LISTENER_LIMITS, requestMs: 4_000, checkMs: 100, connections: 100 };
const EVENT = '<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>';
const head = (path: string, more = '') => `POST ${path} HTTP/1.1\r\nhost: x\r\n${more}`;

interface Slow {
  readonly closed: Promise<{ afterMs: number; answer: string }>;
  destroy(): void;
}

/** Sends a beginning, then a byte now and then. */
function slow(url: string, text: string, drip: string): Slow {
  const { port } = new URL(url);
  const startedMs = performance.now();
  let answer = '';
  let timer: NodeJS.Timeout | undefined;
  const socket: Socket = connect(Number(port), '127.0.0.1', () => {
    socket.write(text);
    timer = setInterval(() => socket.writable && drip && socket.write(drip), 200).unref();
  });
  socket
    .on('error', () => undefined)
    .on('data', (bytes) => {
      answer += bytes;
    });
  const closed = new Promise<{ afterMs: number; answer: string }>((resolve) => {
    socket.once('close', () => {
      clearInterval(timer);
      resolve({ afterMs: performance.now() - startedMs, answer });
    });
  });
  return { closed, destroy: () => socket.destroy() };
}

describe('slow connections', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer({ http: { callbackPort: 0 }, limits: LIMITS });
  });
  after(() => s.close());

  const signed = () => s.callbackUrl('', { account: PLAIN.account });
  const bases = () => [s.url, s.server.callbackUrl as string];

  it('end when the time for a request is over, whatever they are slow with', async () => {
    const path = signed();
    const kinds: [string, string, string][] = [
      ['nothing at all', '', ''],
      ['the line of the request', 'POST /wechat/x', ''],
      ['headers', head(path), 'a: b\r\n'],
      ['a body of known length', head(path, 'content-length: 60000\r\n\r\n'), 'x'],
      ['a body in chunks', head(path, 'transfer-encoding: chunked\r\n\r\n'), '1\r\nx\r\n'],
      ['a body that is unsigned', head('/wechat/x', 'content-length: 60000\r\n\r\n'), 'x'],
      ['a body without a key', head('/v1/media', 'content-length: 60000\r\n\r\n'), 'x'],
      ['the form of the sign-in', head('/login', 'content-length: 60\r\n\r\n'), 'x'],
    ];
    const all = bases().flatMap((base) =>
      kinds.map(async ([what, text, drip]) => {
        const { afterMs } = await slow(base, text, drip).closed;
        // 4 s and a look; this machine may be busy.
        assert.ok(afterMs < 9_000, `${what} at ${base}: ${afterMs} ms`);
      }),
    );
    await Promise.all(all);
  });

  it('by the thousand take no place from a callback, and are themselves cut, the oldest first', async () => {
    for (const base of bases()) {
      const text = head(signed(), 'content-length: 60000\r\n\r\n<xml>');
      const crowd = Array.from({ length: 1_000 }, () => slow(base, text, 'x'));
      let open = crowd.length;
      for (const { closed } of crowd) void closed.then(() => open--);
      const startedMs = performance.now();
      const until = startedMs + 30_000;
      for (let n = 0; n < 20; n++) {
        const sentMs = performance.now();
        const answer = await fetch(s.callbackUrl(base), {
          method: 'POST',
          body: EVENT,
          headers: { connection: 'close' },
        });
        assert.equal(await answer.text(), 'success');
        assert.ok(performance.now() - sentMs < 10_000, `${performance.now() - sentMs} ms`);
      }
      while (open > 0) {
        assert.ok(performance.now() < until, `${open} are open still`);
        await wait(50);
      }
      const fates = await Promise.all(crowd.map(({ closed }) => closed));
      console.log(
        'DEBUG',
        base,
        performance.now() - startedMs,
        JSON.stringify(
          [...Map.groupBy(fates, ({ answer }) => answer.slice(0, 30))].map(([k, v]) => [
            k,
            v.length,
            v[0]?.afterMs,
          ]),
        ),
      );
      const cut = fates.filter(({ answer }) => answer === '').length;
      assert.ok(cut > 2 * LIMITS.connections, `${cut} were cut for others`);
    }
  });
});
