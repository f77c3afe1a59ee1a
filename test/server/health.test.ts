/** Alive and ready, and what is said when the catalogue has gone. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../src/catalogue/database.ts';
import { createPostgresPool } from '../../src/catalogue/postgres.ts';
import { createAccept } from '../../src/pipeline/accept.ts';
import { READY } from '../../src/server/answers.ts';
import { openServer } from '../../src/server/start.ts';
import { KEYS, openTestServer, PLAIN, reference, type TestServer } from './setup.ts';

/** Nobody listens there: reserved by IANA, and only root could. */
const NOWHERE = 'postgres://nobody@127.0.0.1:1/nothing';
const MESSAGE =
  '<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>gone</MediaId></xml>';

describe('health', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  it('is ready while a callback can be made durable, and tells of holds', async () => {
    const why = { code: 'ip_not_allowed', class: 'account' } as const;
    await s.parts.catalogue.accounts.hold(PLAIN.account, new Date(Date.now() + 60_000), why);
    const answer = await s.call('/readyz');
    const body = (await answer.json()) as { status: string; degraded: string[] };
    READY[200].parse(body);
    assert.deepEqual([answer.status, body.status, body.degraded], [200, 'degraded', ['1 account(s) held']]);
  });

  it('without its catalogue is alive, not ready, and answers 503 with a time to come back', async () => {
    const pool = createPostgresPool({ url: NOWHERE, searchPath: 'wma', maxConnections: 2, log: s.parts.log });
    const catalogue = createCatalogue(createDatabase(pool), 'wma', s.parts.lifetimes);
    const accept = createAccept({ ...s.parts, catalogue, onAccepted: () => undefined });
    const keys = [{ name: 'k', scopes: ['read', 'write'] as const, secret: KEYS.write }];
    const { url } = await openServer({ ...s.parts, catalogue, accept }, { keys });
    const headers = { authorization: `Bearer ${KEYS.write}`, 'content-type': 'application/json' };

    assert.equal((await fetch(`${url}/livez`)).status, 200);
    const ready = await fetch(`${url}/readyz`);
    const body = (await ready.json()) as { status: string; checks: { catalogue: { ok: boolean } } };
    assert.deepEqual([ready.status, body.status, body.checks.catalogue.ok], [503, 'unavailable', false]);
    for (const answer of [
      await fetch(`${url}/v1/media`, { method: 'POST', headers, body: JSON.stringify(reference()) }),
      await fetch(`${url}/v1/media`, { headers }),
      await fetch(`${url}/v1/stats`, { headers }),
      await fetch(s.callbackUrl(url), { method: 'POST', body: MESSAGE }),
    ]) {
      const problem = (await answer.json()) as Record<string, unknown>;
      assert.deepEqual([answer.status, problem.code], [503, 'database_away']);
      assert.ok(answer.headers.get('retry-after'));
    }
    assert.equal((await fetch(`${url}/metrics`, { headers })).status, 200);
    await pool.end();
  });
});
