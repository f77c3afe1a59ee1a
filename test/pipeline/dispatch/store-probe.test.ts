import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createStoreProbe } from '../../../src/pipeline/dispatch/store-probe.ts';
import { setup } from '../../storage/setup.ts';

const soon = () => AbortSignal.timeout(10_000);

describe('the store probe', () => {
  it('succeeds under the prefix and leaves nothing behind', async (t) => {
    const { store, seen } = await setup(t);
    assert.equal(await createStoreProbe(store, 'media/')(soon()), undefined);
    assert.deepEqual(
      seen.map(({ method, url }) => [method, /^\/media\/media\/\.probe\/[-\w]{36}$/.test(url.pathname)]),
      [
        ['PUT', true],
        ['DELETE', true],
      ],
    );
  });

  it('resolves with the reason why the store accepts nothing', async (t) => {
    const { store, injectFaults } = await setup(t);
    const probe = createStoreProbe(store, '');
    for (const [fault, code] of [
      [{ status: 403, code: 'AccessDenied' }, 'store_refused'],
      [{ status: 404, code: 'NoSuchBucket' }, 'store_bucket_missing'],
      [{ status: 403, code: 'SignatureDoesNotMatch' }, 'store_secret_wrong'],
      [{ status: 503, code: 'SlowDown' }, 'store_unavailable'],
      [{ status: 507 }, 'store_full'],
      [{ status: 507, code: 'InsufficientStorage' }, 'disk_full'],
      [{ reset: true }, 'store_unavailable'],
    ] as const) {
      injectFaults(() => fault);
      assert.equal((await probe(soon()))?.code, code);
    }
  });

  it('deletes its object although the response to the put was an error', async (t) => {
    const { store, seen, injectFaults } = await setup(t);
    injectFaults(({ method }) => (method === 'PUT' ? { status: 500, code: 'InternalError' } : undefined));
    assert.equal((await createStoreProbe(store, '')(soon()))?.code, 'store_unavailable');
    assert.equal(seen.at(-1)?.method, 'DELETE');
  });

  it('times out where the store is silent', async (t) => {
    const { store, injectFaults } = await setup(t);
    injectFaults(() => ({ stall: true }));
    const why = await createStoreProbe(store, '', 200)(soon());
    assert.deepEqual([why?.code, why?.detail], ['store_unavailable', 'no response within 200 ms']);
  });

  it('deletes its object although the put used up the time of the probe', async (t) => {
    const { store, seen, injectFaults } = await setup(t);
    injectFaults(({ method }) => (method === 'PUT' ? { stall: true } : undefined));
    assert.equal((await createStoreProbe(store, '', 200)(soon()))?.code, 'store_unavailable');
    assert.equal(seen.at(-1)?.method, 'DELETE');
  });

  it('succeeds with an access key that may write and not delete', async (t) => {
    const { store, injectFaults } = await setup(t);
    injectFaults(({ method }) => (method === 'DELETE' ? { status: 403, code: 'AccessDenied' } : undefined));
    assert.equal(await createStoreProbe(store, '')(soon()), undefined);
  });
});
