/** Callback forwarding: the handler gets what WeChat sent, WeChat gets its reply, and the items are durable by then. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { idOf } from '../../../src/media.ts';
import type { AcceptReferences } from '../../../src/pipeline/ingest/insert-batcher.ts';
import { createRepeatedLog } from '../../../src/runtime/repeated-log.ts';
import { createCallbackForwarder } from '../../../src/server/callbacks/callback-forwarder.ts';
import { createUpstream } from '../../../src/server/callbacks/upstream.ts';
import { openServer } from '../../../src/server/start.ts';
import { KEYS, openTestServer, PLAIN, SAFE, type TestServer } from '../setup.ts';

interface ReceivedRequest {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}
type Reply = (response: ServerResponse) => void;

const SUCCESS: Reply = (response) => response.end('success');
const message = (mediaId: string) =>
  `<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>${mediaId}</MediaId></xml>`;
const FORWARDED = { ...PLAIN, account: 'wx-forwarded', appId: 'wx-forwarded', name: 'forwarded' };
const LENIENT = { ...PLAIN, account: 'wx-lenient', appId: 'wx-lenient', name: 'lenient' };
const STRICT = { ...SAFE, account: 'wx-strict', appId: 'wx-strict', name: 'strict' };
const DOWN = { ...PLAIN, account: 'wx-down', appId: 'wx-down', name: 'down' };
/** Port 1 is reserved: nothing listens there. */
const NOWHERE = 'http://127.0.0.1:1/';

describe('callback forwarding', () => {
  let s: TestServer;
  let handler: Server;
  let received: ReceivedRequest[];
  let reply: Reply;

  before(async () => {
    handler = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, headers } = request;
        received.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
        reply(response);
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => handler.once('listening', resolve));
    const upstreamUrl = `http://127.0.0.1:${(handler.address() as AddressInfo).port}/hook?key=secret-of-the-hook`;
    s = await openTestServer({
      accounts: [
        { ...FORWARDED, upstreamUrl },
        { ...LENIENT, upstreamUrl, upstreamOnFailure: 'success' },
        { ...STRICT, upstreamUrl },
        { ...DOWN, upstreamUrl: NOWHERE },
      ],
    });
  });
  after(async () => {
    await s.close();
    handler.closeAllConnections();
    handler.close();
  });
  beforeEach(() => {
    [received, reply] = [[], SUCCESS];
  });

  const rowOf = (mediaId: string, account = FORWARDED.account) =>
    s.context.catalogue.media.get(idOf(account, mediaId));
  const post = (body: string, account = FORWARDED.account) => s.callback(body, { account });
  const upstreamCount = async (outcome: string) =>
    (await s.context.metrics.upstream.get()).values.find(({ labels }) => labels.outcome === outcome)?.value ??
    0;

  it('forwards the literal query, the body and the headers', async () => {
    const path = `${s.callbackUrl('', { account: FORWARDED.account })}&a=%7e+%2F&b`;
    const response = await s.call(path, {
      body: message('passed'),
      headers: {
        'content-type': 'text/xml; charset=GBK',
        'x-of-wechat': '1',
        connection: 'x-hop',
        'x-hop': '1',
      },
    });
    assert.equal(await response.text(), 'success');
    const [one] = received as [ReceivedRequest];
    assert.equal(one.method, 'POST');
    assert.equal(one.url, `/hook?key=secret-of-the-hook&${path.split('?')[1]}`);
    assert.equal(one.body, message('passed'));
    assert.equal(one.headers['content-type'], 'text/xml; charset=GBK');
    assert.equal(one.headers['x-of-wechat'], '1');
    assert.equal(one.headers.host, `127.0.0.1:${(handler.address() as AddressInfo).port}`);
    assert.equal(one.headers['content-length'], String(message('passed').length));
    assert.ok(await rowOf('passed'));
  });

  for (const [what, status, type, body] of [
    ['a reply to the user', 200, 'application/xml', '<xml><Content>你好</Content></xml>'],
    ['an encrypted one in JSON', 200, 'application/json', '{"Encrypt":"abc"}'],
    ['one without a type', 200, undefined, 'success'],
    ['an empty one', 200, undefined, ''],
    ['a redirect, not followed', 302, 'text/html', 'moved'],
    ['a refusal', 403, 'text/plain', 'no'],
    ['an error', 500, 'text/plain', 'oops'],
  ] as const) {
    it(`returns ${what} unchanged`, async () => {
      reply = (response) => {
        response.writeHead(status, {
          ...(type ? { 'content-type': type } : {}),
          ...(status === 302 ? { location: `${s.url}/elsewhere` } : {}),
        });
        response.end(body);
      };
      const response = await post(message(`reply-${status}`));
      assert.deepEqual(
        [response.status, response.headers.get('content-type'), await response.text()],
        [status, type ?? null, body],
      );
      assert.equal(received.length, 1);
    });
  }

  it('forwards repeats, events, and bodies that cannot be parsed', async () => {
    const bodies = [
      message('twice'),
      message('twice'),
      '<xml><MsgType>event</MsgType><Event>CLICK</Event></xml>',
      'hello',
      '',
    ];
    for (const body of bodies) assert.equal(await (await post(body)).text(), 'success');
    assert.deepEqual(
      received.map((one) => one.body),
      bodies,
    );
  });

  it('forwards no hop-by-hop header, nor those that Connection names', async () => {
    const hop = {
      te: 'trailers',
      'proxy-authorization': 'Basic eDp5',
      'keep-alive': 'timeout=9',
      'x-hop': '1',
    };
    const status = await new Promise((resolve, reject) => {
      const headers = { ...hop, connection: 'x-hop', 'transfer-encoding': 'chunked', 'x-of-wechat': '1' };
      const sent = request(
        s.callbackUrl(s.url, { account: FORWARDED.account }),
        { method: 'POST', headers },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      sent.on('error', reject).end(message('hops'));
    });
    assert.equal(status, 200);
    const [{ headers, body }] = received as [ReceivedRequest];
    assert.deepEqual([headers['x-of-wechat'], body], ['1', message('hops')]);
    for (const name of [...Object.keys(hop), 'transfer-encoding'])
      assert.equal(headers[name], undefined, name);
    assert.notEqual(headers.connection, 'x-hop');
  });

  it('forwards nothing unsigned, and nothing plain where encryption is required', async () => {
    const forged = await s.callback(message('forged'), { account: FORWARDED.account, token: 'another' });
    assert.equal(forged.status, 403);
    const overBody = `?msg_signature=${'a'.repeat(40)}&timestamp=1&nonce=1`;
    const guessed = await s.call(`/wechat/${FORWARDED.account}${overBody}`, { body: message('forged') });
    assert.equal(guessed.status, 403);
    const plain = await s.callback(message('plain'), { account: STRICT.account, token: STRICT.token });
    assert.equal(((await plain.json()) as { code: string }).code, 'encryption_required');
    assert.deepEqual(received, []);
  });

  it('does not forward the handshake', async () => {
    const path = s.callbackUrl('', { account: FORWARDED.account });
    assert.equal(await (await s.call(`${path}&echostr=42`)).text(), '42');
    assert.deepEqual(received, []);
  });

  it('responds 504 for a handler that is down, with the row written', async () => {
    const before = await upstreamCount('failed');
    const response = await post(message('down'), DOWN.account);
    assert.deepEqual(
      [response.status, ((await response.json()) as { code: string }).code],
      [504, 'upstream_failed'],
    );
    assert.ok(await rowOf('down', DOWN.account));
    assert.equal(await upstreamCount('failed'), before + 1);
  });

  for (const [what, break_] of [
    ['closes the connection', (response: ServerResponse) => response.socket?.destroy()],
    ['sends more than a megabyte', (response: ServerResponse) => response.end('x'.repeat(1024 * 1024 + 1))],
  ] as const) {
    it(`responds 504 for a handler that ${what}, or success with upstreamOnFailure`, async () => {
      reply = break_;
      assert.equal((await post(message(`bad ${what}`))).status, 504);
      const lenient = await post(message(`bad ${what}`), LENIENT.account);
      assert.deepEqual([lenient.status, await lenient.text()], [200, 'success']);
      assert.ok(await rowOf(`bad ${what}`, LENIENT.account));
    });
  }

  it('responds success for a handler that returns 5xx, with upstreamOnFailure', async () => {
    reply = (response) => response.writeHead(502).end('bad gateway');
    const lenient = await post(message('502'), LENIENT.account);
    assert.deepEqual([lenient.status, await lenient.text()], [200, 'success']);
  });

  it('responds 504 within 4.5 s for a handler that never replies or stops in the middle', async () => {
    const startedAt = performance.now();
    reply = (response) => {
      if (received.length === 1) response.writeHead(200).write('suc');
    };
    const responses = await Promise.all([post(message('slow')), post(message('slow'))]);
    assert.deepEqual(
      responses.map(({ status }) => status),
      [504, 504],
    );
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 4_000 && tookMs < 8_000, `${tookMs} ms`);
    assert.ok(await rowOf('slow'));
  });

  it('responds 504 in time while the disk hangs, although the handler has replied', async () => {
    const upstream = createUpstream();
    const repeatedLog = createRepeatedLog(s.context.log);
    const forwarder = createCallbackForwarder({ upstream, metrics: s.context.metrics, repeatedLog });
    const account = s.context.accounts.find(FORWARDED.account) as typeof FORWARDED & { upstreamUrl: string };
    const startedAt = performance.now();
    const callback = { query: '', headers: {}, body: Buffer.from(message('hangs')) };
    const forwarded = forwarder.forward(account, callback, new Promise(() => undefined));
    const rejected = assert.rejects(forwarded, { code: 'not_written' });
    await Promise.race([rejected, wait(10_000, 'nothing', { ref: false }).then(assert.fail)]);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 4_000 && tookMs < 8_000, `${tookMs} ms`);
    assert.equal(received.length, 1);
    await upstream.close();
  });

  it('returns no reply before the items are durable: 504 where they cannot be', async () => {
    // The spool has no space either.
    const config = { ...s.context.config, spool: { limitBytes: 0 } };
    const rejects: AcceptReferences = async () => Promise.reject(new DatabaseUnavailableError('away'));
    const never: AcceptReferences = () => new Promise(() => {});
    for (const accept of [rejects, never]) {
      const { url } = await openServer({ ...s.context, accept, config }, { keys: [] });
      const target = s.callbackUrl(url, { account: FORWARDED.account });
      const event = await fetch(target, { method: 'POST', body: '<xml><MsgType>event</MsgType></xml>' });
      assert.deepEqual([event.status, await event.text()], [200, 'success']);
      const media = await fetch(target, { method: 'POST', body: message('unwritten') });
      assert.deepEqual([media.status, ((await media.json()) as { code: string }).code], [504, 'not_written']);
    }
    assert.equal(received.length, 4, 'the handler received all of them');
  });

  it('does not log the address of the handler', async () => {
    await post(message('quiet'), DOWN.account);
    const log = s.log.join('');
    assert.match(log, /handler of upstreamUrl failed/);
    assert.doesNotMatch(log, /secret-of-the-hook/);
    assert.ok(Object.values(KEYS).every((key) => !log.includes(key)));
  });
});
