/** Callbacks over a real socket: `success` means durable, everything else gets its status. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { idOf } from '../../../src/media.ts';
import type { AcceptReferences } from '../../../src/pipeline/ingest/insert-batcher.ts';
import { openServer } from '../../../src/server/start.ts';
import { encryptMessage, signatureOf } from '../../../src/simulator/callbacks/envelope.ts';
import { openTestServer, PLAIN, SAFE, type TestServer } from '../setup.ts';

const message = (mediaId: string, msgId = '22800264023876468') =>
  `<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o-user]]></FromUserName><CreateTime>${Math.floor(
    Date.now() / 1000,
  )}</CreateTime><MsgType><![CDATA[image]]></MsgType><PicUrl><![CDATA[http://mmbiz.qpic.cn/a]]></PicUrl><MsgId>${msgId}</MsgId><MediaId><![CDATA[${mediaId}]]></MediaId></xml>`;
const now = () => Math.floor(Date.now() / 1000);

describe('a callback', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const rejected = async (response: Response, status: number, code: string) => {
    const problem = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([response.status, problem.code], [status, code]);
    assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8');
    assert.ok(problem.advice);
  };
  const rowOf = (mediaId: string, account = PLAIN.account) =>
    s.context.catalogue.media.get(idOf(account, mediaId));

  it('gets success once the reference is a row', async () => {
    const response = await s.callback(message('plain-1'));
    assert.deepEqual([response.status, await response.text()], [200, 'success']);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
    const row = await rowOf('plain-1');
    assert.equal(row?.msgId, '22800264023876468');
    assert.equal(row?.openId, 'o-user');
  });

  it('gets no response before the reference is committed', async () => {
    const startedMs = performance.now();
    await s.callback(message('quick-commit'));
    const usualMs = performance.now() - startedMs;
    // While a transaction holds the only session of the embedded database, nothing else is committed.
    const begun = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const holding = s.context.database.transaction(async (transaction) => {
      await transaction.query('SELECT 1');
      begun.resolve();
      await released.promise;
    });
    await begun.promise;
    let hasResponse = false;
    const response = s.callback(message('slow-commit')).finally(() => {
      hasResponse = true;
    });
    // Several times as long as a callback takes; less than the time after which the spool is used.
    await wait(Math.max(100, 3 * usualMs));
    assert.equal(hasResponse, false);
    released.resolve();
    await holding;
    assert.equal(await (await response).text(), 'success');
    assert.ok(await rowOf('slow-commit'));
  });

  it('gets 503 in time while the disk of the spool hangs, and becomes a row afterwards', async (t) => {
    const handle = await open(s.folder, 'r');
    const FileHandle = Object.getPrototypeOf(handle) as Pick<typeof handle, 'datasync'>;
    await handle.close();
    const { datasync } = FileHandle;
    const released = Promise.withResolvers<void>();
    t.after(() => released.resolve());
    const hanging = t.mock.method(FileHandle, 'datasync', async function (this: typeof handle) {
      await released.promise;
      return await datasync.call(this);
    });
    const accept: AcceptReferences = async () => Promise.reject(new DatabaseUnavailableError('down'));
    const { url } = await openServer({ ...s.context, accept }, { keys: [] });
    const startedAt = performance.now();
    const send = (mediaId: string) =>
      fetch(s.callbackUrl(url), {
        method: 'POST',
        body: message(mediaId),
        signal: AbortSignal.timeout(10_000),
      });
    const responses = await Promise.all(['hangs-1', 'hangs-2'].map(send));
    // WeChat waits for 5 s; the rest is for a busy machine.
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 3_000 && tookMs < 8_000, `${tookMs} ms`);
    for (const response of responses) {
      assert.equal(response.headers.get('retry-after'), '1');
      await rejected(response, 503, 'database_away');
    }
    assert.ok(hanging.mock.callCount() > 0, 'the spool was used');
    released.resolve();
    const deadline = performance.now() + 20_000;
    for (const mediaId of ['hangs-1', 'hangs-2']) {
      while (!(await rowOf(mediaId))) {
        assert.ok(performance.now() < deadline, `${mediaId} has no row`);
        await wait(50);
      }
    }
  });

  it('creates one row however often it is delivered', async () => {
    await s.callback(message('again'));
    const first = await rowOf('again');
    assert.equal(await (await s.callback(message('again'))).text(), 'success');
    assert.deepEqual(await rowOf('again'), first);
  });

  it('may name the account, and may have any content type', async () => {
    for (const contentType of [
      'text/xml',
      'application/json',
      'text/plain',
      'application/x-www-form-urlencoded',
    ]) {
      const response = await s.callback(message(`named-${contentType}`), { account: 'shop', contentType });
      assert.equal(await response.text(), 'success');
      assert.ok(await rowOf(`named-${contentType}`));
    }
  });

  it('is decrypted in safe mode', async () => {
    const encrypted = encryptMessage(message('safe-1'), {
      encodingAesKey: SAFE.encodingAesKey as string,
      appId: SAFE.appId,
    });
    const time = String(now());
    const query = new URLSearchParams({
      signature: signatureOf(SAFE.token, time, '7'),
      msg_signature: signatureOf(SAFE.token, time, '7', encrypted),
      timestamp: time,
      nonce: '7',
      encrypt_type: 'aes',
    });
    const body = `<xml><ToUserName>gh</ToUserName><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`;
    assert.equal(await (await s.call(`/wechat/${SAFE.account}?${query}`, { body })).text(), 'success');
    assert.ok(await rowOf('safe-1', SAFE.account));
  });

  it('in plain is refused for an account that requires encryption', async () => {
    const response = await s.callback(message('unsafe'), { account: SAFE.account, token: SAFE.token });
    await rejected(response, 403, 'encryption_required');
    assert.equal(await rowOf('unsafe', SAFE.account), undefined);
  });

  it('with a bad signature gets 403 and creates no row', async () => {
    await rejected(await s.callback(message('forged'), { token: 'another token' }), 403, 'bad_signature');
    await rejected(
      await s.call(`/wechat/${PLAIN.account}`, { body: message('forged') }),
      403,
      'bad_signature',
    );
    assert.equal(await rowOf('forged'), undefined);
  });

  it('with an old timestamp gets 403', async () => {
    const response = await s.callback(message('stale'), { timestamp: now() - 16 * 60 });
    await rejected(response, 403, 'stale_timestamp');
    assert.equal(await rowOf('stale'), undefined);
  });

  it('for an unknown account gets 404', async () => {
    await rejected(await s.callback(message('x'), { account: 'wx-unknown' }), 404, 'account_not_found');
    await rejected(await s.call('/wechat/wx-unknown?echostr=1'), 404, 'account_not_found');
  });

  it('over 64 KiB gets 413, with and without Content-Length', async () => {
    const body = message('big').replace('</xml>', `<Content>${'x'.repeat(64 * 1024)}</Content></xml>`);
    await rejected(await s.callback(body), 413, 'body_too_large');
    const status = await new Promise((resolve, reject) => {
      const path = `${s.url}/wechat/${PLAIN.account}`;
      const call = request(
        path,
        { method: 'POST', headers: { 'transfer-encoding': 'chunked' } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      call.on('error', reject);
      call.end(body);
    });
    assert.equal(status, 413);
    assert.equal(await rowOf('big'), undefined);
  });

  for (const [what, body] of [
    ['a DOCTYPE', `<!DOCTYPE xml [<!ENTITY a "b">]>${message('doctype')}`],
    ['a custom entity', message('entity').replace('o-user', ']]>&a;<![CDATA[')],
    ['too many nested tags', `<xml>${'<a>'.repeat(100)}${'</a>'.repeat(100)}</xml>`],
    ['tags that do not match', '<xml><MsgType>image</MediaId></xml>'],
    ['broken JSON', '{"MsgType":"image"'],
    ['deep JSON', `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['plain text', 'hello'],
    ['an empty body', ''],
    ['bytes that are not text', Buffer.from([0xff, 0xfe, 0x00, 0x3c])],
  ] as const) {
    it(`with ${what} gets 400`, async () => {
      await rejected(await s.callback(body as string), 400, 'malformed_message');
    });
  }

  it('without media gets success and creates no row', async () => {
    const response = await s.callback('<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>');
    assert.equal(await response.text(), 'success');
  });

  it('whose text breaks the XML gets success, and creates the row of a voice', async () => {
    const typed = ']]> <b> & ]]></Content></xml>';
    const text = message('typed')
      .replace('image', 'text')
      .replace('</xml>', `<Content><![CDATA[${typed}]]></Content></xml>`);
    assert.equal(await (await s.callback(text)).text(), 'success');
    assert.equal(await rowOf('typed'), undefined);
    const voice = message('spoken').replace('image', 'voice');
    const heard = voice.replace('</xml>', `<Recognition><![CDATA[${typed}]]></Recognition></xml>`);
    assert.equal(await (await s.callback(heard)).text(), 'success');
    assert.equal((await rowOf('spoken'))?.text, typed);
  });

  it('may be sent to the address with a trailing slash, also a handshake', async () => {
    const response = await s.callback(message('slash'), { account: `${PLAIN.account}/` });
    assert.deepEqual([response.status, await response.text()], [200, 'success']);
    assert.ok(await rowOf('slash'));
    const time = String(now());
    const query = `timestamp=${time}&nonce=1&echostr=abc&signature=${signatureOf(PLAIN.token, time, '1')}`;
    assert.equal(await (await s.call(`/wechat/${PLAIN.account}/?${query}`)).text(), 'abc');
    await rejected(await s.call(`/wechat/wx-unknown/?${query}`), 404, 'account_not_found');
    await rejected(await s.call(`/wechat/${PLAIN.account}/`, { body: message('x') }), 403, 'bad_signature');
    const { paths } = await s.json<{ paths: object }>('/openapi.json', { key: 'read' });
    const documented = Object.keys(paths).filter((path) => path.startsWith('/wechat/'));
    assert.deepEqual(documented, ['/wechat/{account}'], 'only one address is documented');
  });

  it('for the handshake returns echostr as plain text', async () => {
    const time = String(now());
    const query = new URLSearchParams({
      signature: signatureOf(PLAIN.token, time, '1'),
      timestamp: time,
      nonce: '1',
      echostr: '<b>5837397820341</b>',
    });
    const response = await s.call(`/wechat/${PLAIN.account}?${query}`);
    assert.equal(await response.text(), '<b>5837397820341</b>');
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    query.set('signature', '0'.repeat(40));
    await rejected(await s.call(`/wechat/${PLAIN.account}?${query}`), 403, 'bad_signature');
  });

  it('may have repeated and invalid parameters', async () => {
    for (const query of [
      'signature=a&signature=b',
      'timestamp=NaN',
      'nonce=%00',
      `signature=${'a'.repeat(6000)}`,
    ]) {
      await rejected(await s.call(`/wechat/${PLAIN.account}?${query}`, { body: 'x' }), 403, 'bad_signature');
    }
  });

  it('leaves no token, body or openId in the log', async () => {
    await s.callback(message('quiet'), { token: 'wrong' });
    const log = s.log.join('');
    assert.match(log, /callbacks: refused/);
    for (const secret of [PLAIN.token, SAFE.token, PLAIN.secret, 'o-user']) assert.ok(!log.includes(secret));
  });
});
