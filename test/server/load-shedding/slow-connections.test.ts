/** A thousand clients that never finish their requests: they are disconnected in time, and callbacks get through. */
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
  readonly closed: Promise<{ afterMs: number; response: string }>;
  destroy(): void;
}

/** Sends the beginning of a request, then a few bytes every 200 ms. */
function openSlow(url: string, text: string, drip: string): Slow {
  const { port } = new URL(url);
  const startedMs = performance.now();
  let response = '';
  let timer: NodeJS.Timeout | undefined;
  const socket: Socket = connect(Number(port), '127.0.0.1', () => {
    socket.write(text);
    timer = setInterval(() => socket.writable && drip && socket.write(drip), 200).unref();
  });
  socket
    .on('error', () => undefined)
    .on('data', (bytes) => {
      response += bytes;
    });
  const closed = new Promise<{ afterMs: number; response: string }>((resolve) => {
    socket.once('close', () => {
      clearInterval(timer);
      resolve({ afterMs: performance.now() - startedMs, response });
    });
  });
  return { closed, destroy: () => socket.destroy() };
}

describe('a slow connection', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer({ http: { callbackPort: 0 }, limits: LIMITS });
  });
  after(() => s.close());

  const signed = () => s.callbackUrl('', { account: PLAIN.account });
  const bases = () => [s.url, s.server.callbackUrl as string];

  it('is closed when the time limit of a request is over, at any stage', async () => {
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
        const { afterMs } = await openSlow(base, text, drip).closed;
        // 4 s and one check; the rest is for a busy machine.
        assert.ok(afterMs < 9_000, `${what} at ${base}: ${afterMs} ms`);
      }),
    );
    await Promise.all(all);
  });

  it('never blocks a callback, not even a thousand of them: the oldest are closed for new ones', async () => {
    for (const base of bases()) {
      const text = head(signed(), 'content-length: 60000\r\n\r\n<xml>');
      const crowd = Array.from({ length: 1_000 }, () => openSlow(base, text, 'x'));
      let open = crowd.length;
      for (const { closed } of crowd) void closed.then(() => open--);
      const until = performance.now() + 30_000;
      for (let n = 0; n < 20; n++) {
        const sentMs = performance.now();
        const response = await fetch(s.callbackUrl(base), {
          method: 'POST',
          body: EVENT,
          headers: { connection: 'close' },
        });
        assert.equal(await response.text(), 'success');
        assert.ok(performance.now() - sentMs < 10_000, `${performance.now() - sentMs} ms`);
      }
      while (open > 0) {
        assert.ok(performance.now() < until, `${open} are still open`);
        await wait(50);
      }
      const ends = await Promise.all(crowd.map(({ closed }) => closed));
      const cut = ends.filter(({ response }) => response === '').length;
      assert.ok(cut > 2 * LIMITS.connections, `${cut} were closed for others`);
    }
  });
});
