/** WeChat's way in, over a real socket: what is answered success is on disk; everything else gets its status. */
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

describe('callbacks', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const rejected = async (answer: Response, status: number, code: string) => {
    const problem = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual([answer.status, problem.code], [status, code]);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8');
    assert.ok(problem.advice);
  };
  const rowOf = (mediaId: string, account = PLAIN.account) =>
    s.context.catalogue.media.get(idOf(account, mediaId));

  it('are answered success once the reference is a row', async () => {
    const answer = await s.callback(message('plain-1'));
    assert.deepEqual([answer.status, await answer.text()], [200, 'success']);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/);
    const row = await rowOf('plain-1');
    assert.equal(row?.msgId, '22800264023876468');
    assert.equal(row?.openId, 'o-user');
  });

  it('are not answered before the reference is committed', async () => {
    // While a transaction has the session of the embedded database, nothing else is committed.
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const holding = s.context.database.transaction(async (transaction) => {
      await transaction.query('SELECT 1');
      begun.resolve();
      await gate.promise;
    });
    await begun.promise;
    let isAnswered = false;
    const answer = s.callback(message('slow-commit')).finally(() => {
      isAnswered = true;
    });
    // Shorter than the time after which the spool takes it.
    await wait(1_000);
    assert.equal(isAnswered, false);
    gate.resolve();
    await holding;
    assert.equal(await (await answer).text(), 'success');
    assert.ok(await rowOf('slow-commit'));
  });

  it('are answered 503 in time while the disk of the spool hangs, and become rows when it goes on', async (t) => {
    const handle = await open(s.folder, 'r');
    const FileHandle = Object.getPrototypeOf(handle) as Pick<typeof handle, 'datasync'>;
    await handle.close();
    const { datasync } = FileHandle;
    const gate = Promise.withResolvers<void>();
    t.after(() => gate.resolve());
    const hanging = t.mock.method(FileHandle, 'datasync', async function (this: typeof handle) {
      await gate.promise;
      return await datasync.call(this);
    });
    const accept: AcceptReferences = async () => Promise.reject(new DatabaseUnavailableError('away'));
    const { url } = await openServer({ ...s.context, accept }, { keys: [] });
    const startedAt = performance.now();
    const send = (mediaId: string) =>
      fetch(s.callbackUrl(url), {
        method: 'POST',
        body: message(mediaId),
        signal: AbortSignal.timeout(10_000),
      });
    const answers = await Promise.all(['hangs-1', 'hangs-2'].map(send));
    // WeChat waits for five seconds; the rest is room for a busy machine.
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 3_000 && tookMs < 8_000, `${tookMs} ms`);
    for (const answer of answers) {
      assert.equal(answer.headers.get('retry-after'), '1');
      await rejected(answer, 503, 'database_away');
    }
    assert.ok(hanging.mock.callCount() > 0, 'the spool was asked');
    gate.resolve();
    const deadline = performance.now() + 20_000;
    for (const mediaId of ['hangs-1', 'hangs-2']) {
      while (!(await rowOf(mediaId))) {
        assert.ok(performance.now() < deadline, `${mediaId} has no row`);
        await wait(50);
      }
    }
  });

  it('make one row however often they are redelivered', async () => {
    await s.callback(message('again'));
    const first = await rowOf('again');
    assert.equal(await (await s.callback(message('again'))).text(), 'success');
    assert.deepEqual(await rowOf('again'), first);
  });

  it('are found by the name of the account, and whatever they call their content', async () => {
    for (const contentType of [
      'text/xml',
      'application/json',
      'text/plain',
      'application/x-www-form-urlencoded',
    ]) {
      const answer = await s.callback(message(`named-${contentType}`), { account: 'shop', contentType });
      assert.equal(await answer.text(), 'success');
      assert.ok(await rowOf(`named-${contentType}`));
    }
  });

  it('are decrypted in safe mode', async () => {
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

  it('of an account that wants them encrypted are refused in plain', async () => {
    const answer = await s.callback(message('unsafe'), { account: SAFE.account, token: SAFE.token });
    await rejected(answer, 403, 'encryption_required');
    assert.equal(await rowOf('unsafe', SAFE.account), undefined);
  });

  it('with a bad signature get 403 and leave no row', async () => {
    await rejected(await s.callback(message('forged'), { token: 'another token' }), 403, 'bad_signature');
    await rejected(
      await s.call(`/wechat/${PLAIN.account}`, { body: message('forged') }),
      403,
      'bad_signature',
    );
    assert.equal(await rowOf('forged'), undefined);
  });

  it('from long ago get 403', async () => {
    const answer = await s.callback(message('stale'), { timestamp: now() - 16 * 60 });
    await rejected(answer, 403, 'stale_timestamp');
    assert.equal(await rowOf('stale'), undefined);
  });

  it('of an account nobody configured get 404', async () => {
    await rejected(await s.callback(message('x'), { account: 'wx-nobody' }), 404, 'account_not_found');
    await rejected(await s.call('/wechat/wx-nobody?echostr=1'), 404, 'account_not_found');
  });

  it('over 64 KiB get 413, announced or not', async () => {
    const body = message('big').replace('</xml>', `<Content>${'x'.repeat(64 * 1024)}</Content></xml>`);
    await rejected(await s.callback(body), 413, 'body_too_large');
    const status = await new Promise((resolve, reject) => {
      const path = `${s.url}/wechat/${PLAIN.account}`;
      const call = request(
        path,
        { method: 'POST', headers: { 'transfer-encoding': 'chunked' } },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
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
    ['an entity of its own', message('entity').replace('o-user', ']]>&a;<![CDATA[')],
    ['tags too deep', `<xml>${'<a>'.repeat(100)}${'</a>'.repeat(100)}</xml>`],
    ['tags that do not match', '<xml><MsgType>image</MediaId></xml>'],
    ['broken JSON', '{"MsgType":"image"'],
    ['deep JSON', `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['no message at all', 'hello'],
    ['nothing', ''],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x3c])],
  ] as const) {
    it(`with ${what} get 400`, async () => {
      await rejected(await s.callback(body as string), 400, 'malformed_message');
    });
  }

  it('that carry no media are answered success and make no row', async () => {
    const answer = await s.callback('<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>');
    assert.equal(await answer.text(), 'success');
  });

  it('whose text breaks their form are answered success, and a voice among them makes its row', async () => {
    const typed = ']]> <b> & ]]></Content></xml>';
    const text = message('typed')
      .replace('image', 'text')
      .replace('</xml>', `<Content><![CDATA[${typed}]]></Content></xml>`);
    assert.equal(await (await s.callback(text)).text(), 'success');
    assert.equal(await rowOf('typed'), undefined);
    const voice = message('spoken').replace('image', 'voice');
    const heard = voice.replace('</xml>', `<Recognition><![CDATA[${typed}]]></Recognition></xml>`);
    assert.equal(await (await s.callback(heard)).text(), 'success');
    assert.equal((await rowOf('spoken'))?.kind, 'voice');
  });

  it('are taken at the address with a slash at its end too, the handshake as well', async () => {
    const answer = await s.callback(message('slash'), { account: `${PLAIN.account}/` });
    assert.deepEqual([answer.status, await answer.text()], [200, 'success']);
    assert.ok(await rowOf('slash'));
    const time = String(now());
    const query = `timestamp=${time}&nonce=1&echostr=abc&signature=${signatureOf(PLAIN.token, time, '1')}`;
    assert.equal(await (await s.call(`/wechat/${PLAIN.account}/?${query}`)).text(), 'abc');
    await rejected(await s.call(`/wechat/wx-nobody/?${query}`), 404, 'account_not_found');
    await rejected(await s.call(`/wechat/${PLAIN.account}/`, { body: message('x') }), 403, 'bad_signature');
    const { paths } = await s.json<{ paths: object }>('/openapi.json', { key: 'read' });
    const documented = Object.keys(paths).filter((path) => path.startsWith('/wechat/'));
    assert.deepEqual(documented, ['/wechat/{account}'], 'one address is documented');
  });

  it('say hello back in the handshake, as text and not as a page', async () => {
    const time = String(now());
    const query = new URLSearchParams({
      signature: signatureOf(PLAIN.token, time, '1'),
      timestamp: time,
      nonce: '1',
      echostr: '<b>5837397820341</b>',
    });
    const answer = await s.call(`/wechat/${PLAIN.account}?${query}`);
    assert.equal(await answer.text(), '<b>5837397820341</b>');
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    query.set('signature', '0'.repeat(40));
    await rejected(await s.call(`/wechat/${PLAIN.account}?${query}`), 403, 'bad_signature');
  });

  it('survive repeated and absurd parameters', async () => {
    for (const query of [
      'signature=a&signature=b',
      'timestamp=NaN',
      'nonce=%00',
      `signature=${'a'.repeat(6000)}`,
    ]) {
      await rejected(await s.call(`/wechat/${PLAIN.account}?${query}`, { body: 'x' }), 403, 'bad_signature');
    }
  });

  it('leave no token, body or openId in the log', async () => {
    await s.callback(message('quiet'), { token: 'wrong' });
    const log = s.log.join('');
    assert.match(log, /callbacks: refused/);
    for (const secret of [PLAIN.token, SAFE.token, PLAIN.secret, 'o-user']) assert.ok(!log.includes(secret));
  });
});
