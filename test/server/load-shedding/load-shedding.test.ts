/** Load shedding refuses API requests early, with Retry-After; callbacks are never refused. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createRequestLimiter } from '../../../src/server/load-shedding.ts';
import { Problem } from '../../../src/server/problem.ts';
import { openTestServer, PLAIN, type TestServer } from '../setup.ts';

const refusal = (code: string) => (error: unknown) =>
  error instanceof Problem && error.code === code && (error.retryAfterSeconds ?? 0) > 0;

describe('the request limiter', () => {
  const noDelay = () => 0;

  it('gives one key at most half of all, and gives released places to others', () => {
    const { acquire } = createRequestLimiter(noDelay, { read: 4, write: 2 });
    const release = acquire('a', 'read');
    acquire('a', 'read');
    assert.throws(() => acquire('a', 'read'), refusal('too_many_requests'));
    acquire('b', 'read');
    acquire('b', 'read');
    assert.throws(() => acquire('c', 'read'), refusal('overloaded'));
    release();
    release();
    acquire('c', 'read');
    assert.throws(() => acquire('c', 'read'), refusal('overloaded'));
  });

  it('counts reads and writes separately', () => {
    const { acquire } = createRequestLimiter(noDelay, { read: 2, write: 2 });
    acquire('a', 'read');
    acquire('b', 'read');
    assert.throws(() => acquire('c', 'read'), refusal('overloaded'));
    acquire('c', 'write');
  });

  it('refuses everything while the event loop is late', () => {
    let delayMs = 0;
    const { acquire } = createRequestLimiter(() => delayMs, { read: 2, write: 2 });
    acquire('a', 'read');
    delayMs = 5_000;
    assert.throws(() => acquire('b', 'write'), refusal('overloaded'));
  });
});

describe('a server whose reads wait for the database', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  it('refuses further requests of the key, and still accepts callbacks', async () => {
    const refused: Response[] = [];
    // The lists wait for the only session of the embedded database.
    const lists = await s.context.database.transaction(async (held) => {
      const lists = Array.from({ length: 200 }, async () => {
        const response = await s.call('/v1/media', { key: 'read' });
        if (response.status !== 200) refused.push(response);
      });
      while (refused.length < 136) await held.query('SELECT 1');
      assert.equal((await s.call('/livez')).status, 200);
      return lists;
    });
    await Promise.all(lists);
    for (const response of refused) {
      assert.ok(Number(response.headers.get('retry-after')) > 0);
      const { code } = (await response.json()) as { code: string };
      // `overloaded` where this machine is so busy that the event loop is late.
      assert.match(code, /^(too_many_requests|overloaded)$/);
    }
    const message = `<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>m</MediaId></xml>`;
    const [callback] = await Promise.all([
      s.callback(message, { account: PLAIN.account }),
      ...Array.from({ length: 100 }, () => s.call('/v1/media', { key: 'read' })),
    ]);
    assert.equal(await callback.text(), 'success');
    assert.equal((await s.call('/v1/media', { key: 'read' })).status, 200);
  });
});
