/** Liveness and readiness, with and without the catalogue. */
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createProgramFacts } from '../../../src/app/checks.ts';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../../src/catalogue/database/database.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { idOf } from '../../../src/media.ts';
import { createInsertBatcher } from '../../../src/pipeline/ingest/insert-batcher.ts';
import { createHealth } from '../../../src/runtime/health.ts';
import { readinessResponses } from '../../../src/server/routes/health.ts';
import { acceptedMediaSchema } from '../../../src/server/routes/media/media.ts';
import { openServer } from '../../../src/server/start.ts';
import { KEYS, openTestServer, PLAIN, reference, type TestServer } from '../setup.ts';

/** Port 1 is reserved: nothing listens there. */
const NOWHERE = 'postgres://unknown@127.0.0.1:1/nothing';
const MESSAGE =
  '<xml><FromUserName>o</FromUserName><MsgType>image</MsgType><MsgId>1</MsgId><MediaId>gone</MediaId></xml>';

interface Readiness {
  status: string;
  degraded: string[];
  checks: { catalogue: { ok: boolean }; spool: { ok: boolean } };
  spool?: { records: number };
}

describe('health', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  it('is ready while a callback can be made durable, and shows holds', async () => {
    const why = { code: 'ip_not_allowed', class: 'account' } as const;
    await s.context.catalogue.accounts.hold(PLAIN.account, new Date(Date.now() + 60_000), why);
    const response = await s.call('/readyz');
    const body = (await response.json()) as { status: string; degraded: string[] };
    readinessResponses[200].parse(body);
    assert.deepEqual([response.status, body.status, body.degraded], [200, 'degraded', ['account_held']]);
  });

  /** Opens a server whose database does not exist. */
  async function openWithoutDatabase(limitBytes: number) {
    const pool = createPostgresPool({
      url: NOWHERE,
      searchPath: 'wma',
      maxConnections: 2,
      log: s.context.log,
    });
    after(() => pool.end());
    const catalogue = createCatalogue(createDatabase(pool), 'wma', s.context.lifetimes);
    const accept = createInsertBatcher({ ...s.context, catalogue, onAccepted: () => undefined });
    const keys = [{ name: 'k', scopes: ['read', 'write'] as const, secret: KEYS.write }];
    const config = {
      ...s.context.config,
      dataFolder: await mkdtemp(join(s.folder, 'alone-')),
      spool: { limitBytes },
    };
    const health = createHealth(s.context.clock.now);
    const storeHealth = { check: async () => undefined };
    const parts = { ...s.context, catalogue, accept, config, health, storeHealth };
    const gather = createProgramFacts(parts, 'server');
    const { url } = await openServer({ ...parts, gather }, { keys });
    const readiness = async () => {
      const response = await fetch(`${url}/readyz`);
      const body = (await response.json()) as Readiness;
      readinessResponses[200].parse(body);
      return { httpStatus: response.status, ...body };
    };
    return { url, readiness };
  }

  const headers = { authorization: `Bearer ${KEYS.write}`, 'content-type': 'application/json' };
  const isUnavailable = async (response: Response) => {
    const problem = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([response.status, problem.code], [503, 'database_away']);
    assert.ok(response.headers.get('retry-after'));
  };

  it('is ready without the catalogue while the spool has space, and shows how much it holds', async () => {
    const { url, readiness } = await openWithoutDatabase(1024 * 1024);
    const callback = await fetch(s.callbackUrl(url), { method: 'POST', body: MESSAGE });
    assert.deepEqual([callback.status, await callback.text()], [200, 'success']);
    const input = reference();
    const posted = await fetch(`${url}/v1/media`, { method: 'POST', headers, body: JSON.stringify(input) });
    const id = idOf(PLAIN.account, input.mediaId);
    assert.deepEqual([posted.status, posted.headers.get('location')], [202, `/v1/media/${id}`]);
    const accepted = await posted.json();
    acceptedMediaSchema.parse(accepted);
    const { sentAt } = input;
    assert.deepEqual(accepted, {
      ...input,
      ...(sentAt && { sentAt: sentAt.toISOString() }),
      id,
      status: 'pending',
      spooled: true,
    });
    const items = [reference(), { account: 'unknown', mediaId: 'x', kind: 'image' }, reference()];
    const batch = await fetch(`${url}/v1/media/batch`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ items }),
    });
    const { results } = (await batch.json()) as { results: { spooled?: true; problem?: { code: string } }[] };
    assert.equal(batch.status, 202);
    assert.deepEqual(
      results.map(({ spooled, problem }) => spooled ?? problem?.code),
      [true, 'unknown_account', true],
    );

    for (const path of ['/v1/media', `/v1/media/${id}`, '/v1/stats'])
      await isUnavailable(await fetch(url + path, { headers }));
    const ready = await readiness();
    assert.deepEqual([ready.httpStatus, ready.status, ready.spool?.records], [200, 'degraded', 4]);
    assert.deepEqual([ready.checks.catalogue.ok, ready.checks.spool.ok], [false, true]);
    assert.deepEqual(ready.degraded, ['catalogue_away', 'spool_in_use']);
    const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
    assert.match(metrics, /^wma_spool_records 4$/m);
    assert.match(metrics, /^wma_spooled_total 4$/m);
    assert.match(metrics, /^wma_spool_bytes [1-9]/m);
    assert.match(metrics, /^wma_at_risk Nan$/im, 'an unknown value is not 0');
    assert.match(metrics, /^wma_check_failing\{code="catalogue_away"\} 1$/m);
  });

  it('is alive but not ready without catalogue and spool, and requests get 503 with Retry-After', async () => {
    const { url, readiness } = await openWithoutDatabase(0);
    assert.equal((await fetch(`${url}/livez`)).status, 200);
    const ready = await readiness();
    assert.deepEqual([ready.httpStatus, ready.status, ready.checks.spool.ok], [503, 'unavailable', false]);
    await isUnavailable(
      await fetch(`${url}/v1/media`, { method: 'POST', headers, body: JSON.stringify(reference()) }),
    );
    await isUnavailable(await fetch(s.callbackUrl(url), { method: 'POST', body: MESSAGE }));
    assert.equal((await fetch(`${url}/metrics`, { headers })).status, 200);
  });
});
