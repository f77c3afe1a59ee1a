/** A handler behind us: it gets what WeChat sent, WeChat gets what it replied, and the media are on disk by then. */
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

interface Got {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}
type Reply = (response: ServerResponse) => void;

const SAID: Reply = (response) => response.end('success');
const message = (mediaId: string) =>
  `<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>${mediaId}</MediaId></xml>`;
const TAPPED = { ...PLAIN, account: 'wx-tapped', appId: 'wx-tapped', name: 'tapped' };
const EASY = { ...PLAIN, account: 'wx-easy', appId: 'wx-easy', name: 'easy' };
const STRICT = { ...SAFE, account: 'wx-strict', appId: 'wx-strict', name: 'strict' };
const GONE = { ...PLAIN, account: 'wx-gone', appId: 'wx-gone', name: 'gone' };
/** Reserved by IANA; only root could listen there. */
const NOWHERE = 'http://127.0.0.1:1/';

describe('the tap', () => {
  let s: TestServer;
  let handler: Server;
  let got: Got[];
  let reply: Reply;

  before(async () => {
    handler = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', () => {
        const { method, url, headers } = request;
        got.push({ method, url, headers, body: Buffer.concat(pieces).toString() });
        reply(response);
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => handler.once('listening', resolve));
    const upstreamUrl = `http://127.0.0.1:${(handler.address() as AddressInfo).port}/hook?key=secret-of-the-hook`;
    s = await openTestServer({
      accounts: [
        { ...TAPPED, upstreamUrl },
        { ...EASY, upstreamUrl, upstreamOnFailure: 'success' },
        { ...STRICT, upstreamUrl },
        { ...GONE, upstreamUrl: NOWHERE },
      ],
    });
  });
  after(async () => {
    await s.close();
    handler.closeAllConnections();
    handler.close();
  });
  beforeEach(() => {
    [got, reply] = [[], SAID];
  });

  const rowOf = (mediaId: string, account = TAPPED.account) =>
    s.context.catalogue.media.get(idOf(account, mediaId));
  const post = (body: string, account = TAPPED.account) => s.callback(body, { account });
  const upstreamCount = async (outcome: string) =>
    (await s.context.metrics.upstream.get()).values.find(({ labels }) => labels.outcome === outcome)?.value ??
    0;

  it('passes on the query to the letter, the body and the headers', async () => {
    const path = `${s.callbackUrl('', { account: TAPPED.account })}&a=%7e+%2F&b`;
    const answer = await s.call(path, {
      body: message('passed'),
      headers: {
        'content-type': 'text/xml; charset=GBK',
        'x-of-wechat': '1',
        connection: 'x-hop',
        'x-hop': '1',
      },
    });
    assert.equal(await answer.text(), 'success');
    const [one] = got as [Got];
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
    it(`gives back ${what} as it was`, async () => {
      reply = (response) => {
        response.writeHead(status, {
          ...(type ? { 'content-type': type } : {}),
          ...(status === 302 ? { location: `${s.url}/elsewhere` } : {}),
        });
        response.end(body);
      };
      const answer = await post(message(`reply-${status}`));
      assert.deepEqual(
        [answer.status, answer.headers.get('content-type'), await answer.text()],
        [status, type ?? null, body],
      );
      assert.equal(got.length, 1);
    });
  }

  it('passes on repeats, events, and what we cannot parse', async () => {
    const bodies = [
      message('twice'),
      message('twice'),
      '<xml><MsgType>event</MsgType><Event>CLICK</Event></xml>',
      'hello',
      '',
    ];
    for (const body of bodies) assert.equal(await (await post(body)).text(), 'success');
    assert.deepEqual(
      got.map((one) => one.body),
      bodies,
    );
  });

  it('passes on no header that is of one connection, nor what Connection names', async () => {
    const hop = {
      te: 'trailers',
      'proxy-authorization': 'Basic eDp5',
      'keep-alive': 'timeout=9',
      'x-hop': '1',
    };
    const status = await new Promise((resolve, reject) => {
      const headers = { ...hop, connection: 'x-hop', 'transfer-encoding': 'chunked', 'x-of-wechat': '1' };
      const sent = request(
        s.callbackUrl(s.url, { account: TAPPED.account }),
        { method: 'POST', headers },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        },
      );
      sent.on('error', reject).end(message('hops'));
    });
    assert.equal(status, 200);
    const [{ headers, body }] = got as [Got];
    assert.deepEqual([headers['x-of-wechat'], body], ['1', message('hops')]);
    for (const name of [...Object.keys(hop), 'transfer-encoding'])
      assert.equal(headers[name], undefined, name);
    assert.notEqual(headers.connection, 'x-hop');
  });

  it('passes on nothing that is not signed, and nothing plain where encryption is required', async () => {
    const forged = await s.callback(message('forged'), { account: TAPPED.account, token: 'another' });
    assert.equal(forged.status, 403);
    const overBody = `?msg_signature=${'a'.repeat(40)}&timestamp=1&nonce=1`;
    const guessed = await s.call(`/wechat/${TAPPED.account}${overBody}`, { body: message('forged') });
    assert.equal(guessed.status, 403);
    const plain = await s.callback(message('plain'), { account: STRICT.account, token: STRICT.token });
    assert.equal(((await plain.json()) as { code: string }).code, 'encryption_required');
    assert.deepEqual(got, []);
  });

  it('answers the handshake itself', async () => {
    const path = s.callbackUrl('', { account: TAPPED.account });
    assert.equal(await (await s.call(`${path}&echostr=42`)).text(), '42');
    assert.deepEqual(got, []);
  });

  it('gives 504 for a handler that is gone, with the row on disk', async () => {
    const before = await upstreamCount('failed');
    const answer = await post(message('gone'), GONE.account);
    assert.deepEqual(
      [answer.status, ((await answer.json()) as { code: string }).code],
      [504, 'upstream_failed'],
    );
    assert.ok(await rowOf('gone', GONE.account));
    assert.equal(await upstreamCount('failed'), before + 1);
  });

  for (const [what, break_] of [
    ['breaks off', (response: ServerResponse) => response.socket?.destroy()],
    ['replies without end', (response: ServerResponse) => response.end('x'.repeat(1024 * 1024 + 1))],
  ] as const) {
    it(`gives 504 for a handler that ${what}, or success where the owner wants that`, async () => {
      reply = break_;
      assert.equal((await post(message(`bad ${what}`))).status, 504);
      const easy = await post(message(`bad ${what}`), EASY.account);
      assert.deepEqual([easy.status, await easy.text()], [200, 'success']);
      assert.ok(await rowOf(`bad ${what}`, EASY.account));
    });
  }

  it('says success for a handler that answers 5xx where the owner wants that', async () => {
    reply = (response) => response.writeHead(502).end('bad gateway');
    const easy = await post(message('502'), EASY.account);
    assert.deepEqual([easy.status, await easy.text()], [200, 'success']);
  });

  it('gives 504 within 4.5 s for a handler that is silent or slow in the middle', async () => {
    const startedAt = performance.now();
    reply = (response) => {
      if (got.length === 1) response.writeHead(200).write('suc');
    };
    const answers = await Promise.all([post(message('slow')), post(message('slow'))]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [504, 504],
    );
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 4_000 && tookMs < 8_000, `${tookMs} ms`);
    assert.ok(await rowOf('slow'));
  });

  it('gives 504 in time where the disk hangs, though the handler has replied', async () => {
    const upstream = createUpstream();
    const repeatedLog = createRepeatedLog(s.context.log);
    const tap = createCallbackForwarder({ upstream, metrics: s.context.metrics, repeatedLog });
    const account = s.context.accounts.find(TAPPED.account) as typeof TAPPED & { upstreamUrl: string };
    const startedAt = performance.now();
    const callback = { query: '', headers: {}, body: Buffer.from(message('hangs')) };
    const passed = tap.forward(account, callback, new Promise(() => undefined));
    const rejected = assert.rejects(passed, { code: 'not_written' });
    await Promise.race([rejected, wait(10_000, 'nothing', { ref: false }).then(assert.fail)]);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 4_000 && tookMs < 8_000, `${tookMs} ms`);
    assert.equal(got.length, 1);
    await upstream.close();
  });

  it('gives no reply before the media are on disk: 504 where they cannot be', async () => {
    // The spool holds nothing either.
    const config = { ...s.context.config, spool: { limitBytes: 0 } };
    const away: AcceptReferences = async () => Promise.reject(new DatabaseUnavailableError('away'));
    const never: AcceptReferences = () => new Promise(() => {});
    for (const accept of [away, never]) {
      const { url } = await openServer({ ...s.context, accept, config }, { keys: [] });
      const target = s.callbackUrl(url, { account: TAPPED.account });
      const event = await fetch(target, { method: 'POST', body: '<xml><MsgType>event</MsgType></xml>' });
      assert.deepEqual([event.status, await event.text()], [200, 'success']);
      const media = await fetch(target, { method: 'POST', body: message('unwritten') });
      assert.deepEqual([media.status, ((await media.json()) as { code: string }).code], [504, 'not_written']);
    }
    assert.equal(got.length, 4, 'the handler got every one of them');
  });

  it('keeps the address of the handler out of the log', async () => {
    await post(message('quiet'), GONE.account);
    const log = s.log.join('');
    assert.match(log, /handler of upstreamUrl failed/);
    assert.doesNotMatch(log, /secret-of-the-hook/);
    assert.ok(Object.values(KEYS).every((key) => !log.includes(key)));
  });
});
