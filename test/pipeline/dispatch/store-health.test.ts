import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createStoreHealth } from '../../../src/pipeline/dispatch/store-health.ts';
import { createStoreProbe } from '../../../src/pipeline/dispatch/store-probe.ts';
import type { StoreOptions } from '../../../src/storage/store.ts';
import { setup } from '../../storage/setup.ts';

const soon = () => AbortSignal.timeout(10_000);

async function setupHealth(t: TestContext, options: Partial<StoreOptions> = {}) {
  const s = await setup(t, options);
  const health = createStoreHealth({ store: s.store, probe: createStoreProbe(s.store, '') });
  return { ...s, code: async () => (await health.check(soon()))?.code, health };
}

/** Returns the address of an HTTP server that does not speak S3. */
async function openWebsite(t: TestContext, status: number, body: string): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'text/html', etag: 'W/"1"' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the store check', () => {
  it('passes where the store accepts an object, which is written once and then only read', async (t) => {
    const { code, operations } = await setupHealth(t);
    assert.equal(await code(), undefined);
    assert.equal(await code(), undefined);
    assert.deepEqual(operations(), ['GET', 'PUT', 'DELETE', 'GET']);
  });

  it('identifies a missing bucket, a wrong key and a wrong secret', async (t) => {
    for (const [options, expected] of [
      [{ bucket: 'another' }, 'store_bucket_missing'],
      [{ accessKeyId: 'AKIDOFSOMEBODYELSE' }, 'store_key_unknown'],
      [{ secretAccessKey: 'another-secret' }, 'store_secret_wrong'],
      [{ region: 'eu-west-1' }, 'store_elsewhere'],
      [{ endpoint: 'http://127.0.0.1:9' }, 'store_unreachable'],
      [{ endpoint: 'http://no-such-host.invalid' }, 'store_host_unknown'],
    ] as const)
      assert.equal(await (await setupHealth(t, options)).code(), expected, JSON.stringify(options));
  });

  it('identifies a website by whatever it returns', async (t) => {
    for (const [status, body] of [
      [200, '<html><h1>Welcome</h1></html>'],
      [200, ''],
      [404, '<html>Not Found</html>'],
      [404, ''],
      [405, '<html>Method Not Allowed</html>'],
      [302, ''],
    ] as const) {
      const s = await setupHealth(t, { endpoint: await openWebsite(t, status, body) });
      assert.equal(await s.code(), 'store_not_s3', `${status} ${body}`);
      assert.equal((await createStoreProbe(s.store, '')(soon()))?.code, 'store_not_s3', `${status} ${body}`);
    }
  });

  it('identifies a port that speaks HTTP where TLS is expected', async (t) => {
    const { endpoint } = await setup(t);
    const { code } = await setupHealth(t, { endpoint: endpoint.replace('http:', 'https:') });
    assert.equal(await code(), 'store_tls');
  });

  it('passes with an access key that may not learn whether an object exists', async (t) => {
    const { code, injectFaults } = await setupHealth(t);
    injectFaults(({ operation }) =>
      operation === 'GET' ? { status: 403, code: 'AccessDenied' } : undefined,
    );
    assert.equal(await code(), undefined);
  });

  it('fails where reads work and writes are refused, and writes once for two checks', async (t) => {
    const { code, injectFaults, operations } = await setupHealth(t);
    injectFaults(({ operation }) =>
      operation === 'PUT' ? { status: 403, code: 'AccessDenied' } : undefined,
    );
    assert.deepEqual([await code(), await code()], ['store_refused', 'store_refused']);
    assert.equal(operations().filter((operation) => operation === 'PUT').length, 1, 'not with each check');
  });

  it('writes again after an outage', async (t) => {
    const { code, injectFaults } = await setupHealth(t);
    assert.equal(await code(), undefined);
    injectFaults(() => ({ reset: true }));
    assert.equal(await code(), 'store_unavailable');
    injectFaults(({ operation }) =>
      operation === 'PUT' ? { status: 507, code: 'XMinioStorageFull' } : undefined,
    );
    assert.equal(await code(), 'store_full');
  });

  it('ends with the signal of its caller, and shares one write between callers', async (t) => {
    const { health, injectFaults, operations } = await setupHealth(t);
    injectFaults(({ operation }) => (operation === 'PUT' ? { stall: true } : undefined));
    const checks = [1, 2, 3].map(() => health.check(AbortSignal.timeout(300)));
    for (const check of checks) await assert.rejects(check, { name: 'TimeoutError' });
    assert.equal(operations().filter((operation) => operation === 'PUT').length, 1);
  });
});
