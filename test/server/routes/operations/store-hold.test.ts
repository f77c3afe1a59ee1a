/** The store hold as statistics, health, metrics and rows show it, and its release. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { statsSchema } from '../../../../src/server/routes/operations/stats.ts';
import { storesSchema } from '../../../../src/server/routes/operations/store.ts';
import { STORE_FAILURES } from '../../../../src/store-failures.ts';
import { eventually } from '../../../queue/handled.ts';
import { openTestServer, reference, type TestServer } from '../../setup.ts';

const WHY = { code: 'store_refused', class: 'store', detail: 'HTTP 403 AccessDenied' } as const;

describe('the store hold', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const stats = async (language: string) => {
    const response = await s.call('/v1/stats', { key: 'read', headers: { 'accept-language': language } });
    const body = (await response.json()) as { storeHold: Record<string, string> | null; waiting: object };
    statsSchema.parse(body);
    return body;
  };
  const gauge = async () =>
    /^wma_store_held (\d)$/m.exec(await (await s.call('/metrics', { key: 'read' })).text())?.[1];
  const ready = async () => {
    const response = await s.call('/readyz');
    return { ...((await response.json()) as { degraded: string[] }), code: response.status };
  };

  it('is shown in statistics, health, metrics and rows, and nowhere after its end', async () => {
    const { storeHold } = s.context.catalogue;
    await s.context.accept([reference()]);
    assert.equal((await stats('en')).storeHold, null);
    assert.equal(await gauge(), '0');

    const now = new Date();
    const end = new Date(now.getTime() + 15_000);
    await storeHold.takeProbe('a', now, end);
    await storeHold.probeFailed('a', end, WHY, now);
    const held = await stats('en');
    assert.deepEqual(held.storeHold, {
      ...WHY,
      message: STORE_FAILURES.store_refused.message.en,
      advice: STORE_FAILURES.store_refused.advice.en,
      since: now.toISOString(),
      until: end.toISOString(),
    });
    assert.deepEqual(held.waiting, { storeHeld: 1 });
    assert.match((await stats('zh')).storeHold!.advice!, /请检查.*S3_BUCKET/);
    assert.equal(await gauge(), '1');
    const page = (await (await s.call('/v1/media', { key: 'read' })).json()) as {
      items: { waiting: object }[];
    };
    assert.deepEqual(page.items[0]?.waiting, { reason: 'storeHeld', until: end.toISOString() });

    // Checks run at most once a second.
    await eventually('store_held', async () => (await ready()).degraded.includes('store_held'));
    assert.equal((await ready()).code, 200, 'callbacks are still accepted');

    await storeHold.takeProbe('a', end, end);
    await storeHold.probeSucceeded('a', end, end);
    assert.equal((await stats('en')).storeHold, null);
    assert.equal(await gauge(), '0');
  });

  it('is shown with the stores, and can be released by hand: the store is probed now', async () => {
    const { catalogue } = s.context;
    const shown = async (method = 'GET', path = '/v1/store', key: 'read' | 'admin' = 'read') => {
      const response = await s.call(path, { key, method });
      assert.equal(response.status, 200);
      const body = (await response.json()) as {
        items: { name: string; bucket: string; failure: object | null }[];
        hold: { code: string; until: string } | null;
      };
      storesSchema.parse(body);
      return body;
    };
    assert.equal((await shown()).hold, null);
    assert.deepEqual(
      (await shown()).items.map(({ name, bucket, failure }) => ({ name, bucket, failure })),
      [{ name: 'default', bucket: s.context.store.bucket, failure: null }],
    );
    // Four days ahead, as a process with a wrong clock would write it.
    const now = new Date();
    const end = new Date(now.getTime() + 4 * 86_400_000);
    await catalogue.storeHold.takeProbe('dead', now, end);
    await catalogue.storeHold.probeFailed('dead', end, WHY, now);
    assert.deepEqual((await shown()).hold?.until, end.toISOString());
    assert.equal((await s.call('/v1/store/hold', { key: 'read', method: 'DELETE' })).status, 403);
    const { hold } = await shown('DELETE', '/v1/store/hold', 'admin');
    assert.ok(new Date(hold!.until).getTime() <= Date.now() + 1_000, 'it is due');
    assert.equal(await catalogue.storeHold.takeProbe('next', new Date(Date.now() + 1_000), end), true);
    const [event] = await catalogue.auditLog.list({ target: 'store' }, 1);
    assert.equal(event?.action, 'release');
    assert.notEqual(event?.actor, 'worker');
    await catalogue.storeHold.probeSucceeded('next', now, new Date());
    assert.equal(
      (await shown('DELETE', '/v1/store/hold', 'admin')).hold,
      null,
      'releasing without a hold is no error',
    );
  });
});
