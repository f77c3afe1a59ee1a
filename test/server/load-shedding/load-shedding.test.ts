/** The API gives way early, with a time to come back; callbacks never do. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createRequestLimiter } from '../../../src/server/load-shedding.ts';
import { Problem } from '../../../src/server/problem.ts';
import { openTestServer, PLAIN, type TestServer } from '../setup.ts';

const refusal = (code: string) => (error: unknown) =>
  error instanceof Problem && error.code === code && (error.retryAfterSeconds ?? 0) > 0;

describe('places', () => {
  const calm = () => 0;

  it('of one key are half of all; of the others there are some left; whoever leaves makes room', () => {
    const { acquire: enter } = createRequestLimiter(calm, { read: 4, write: 2 });
    const leave = enter('a', 'read');
    enter('a', 'read');
    assert.throws(() => enter('a', 'read'), refusal('too_many_requests'));
    enter('b', 'read');
    enter('b', 'read');
    assert.throws(() => enter('c', 'read'), refusal('overloaded'));
    leave();
    leave();
    enter('c', 'read');
    assert.throws(() => enter('c', 'read'), refusal('overloaded'));
  });

  it('for reading and for writing are apart', () => {
    const { acquire: enter } = createRequestLimiter(calm, { read: 2, write: 2 });
    enter('a', 'read');
    enter('b', 'read');
    assert.throws(() => enter('c', 'read'), refusal('overloaded'));
    enter('c', 'write');
  });

  it('are none while the event loop is late', () => {
    let delayMs = 0;
    const { acquire: enter } = createRequestLimiter(() => delayMs, { read: 2, write: 2 });
    enter('a', 'read');
    delayMs = 5_000;
    assert.throws(() => enter('b', 'write'), refusal('overloaded'));
  });
});

describe('a server whose readers wait', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  it('turns the next one of the key away, and goes on taking callbacks', async () => {
    const refused: Response[] = [];
    // What lists wait for: the one session of the embedded database.
    const lists = await s.context.database.transaction(async (held) => {
      const lists = Array.from({ length: 200 }, async () => {
        const answer = await s.call('/v1/media', { key: 'read' });
        if (answer.status !== 200) refused.push(answer);
      });
      while (refused.length < 136) await held.query('SELECT 1');
      assert.equal((await s.call('/livez')).status, 200);
      return lists;
    });
    await Promise.all(lists);
    for (const answer of refused) {
      assert.ok(Number(answer.headers.get('retry-after')) > 0);
      const { code } = (await answer.json()) as { code: string };
      // Overloaded, where this machine is so busy that the event loop is late.
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
