/** What a client of POST /v1/exports sees when the store fails before the first byte, or in the middle. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { runChecks } from '../../../../src/app/checks.ts';
import { openPreviews } from '../../../../src/app/server-parts/previews.ts';
import { parseApiKeys } from '../../../../src/config/api-keys.ts';
import { failure } from '../../../../src/failures.ts';
import { createIngest } from '../../../../src/pipeline/ingest/ingest.ts';
import { createRepeatedLog } from '../../../../src/runtime/repeated-log.ts';
import { buildServer } from '../../../../src/server/app.ts';
import { createAccess } from '../../../../src/server/auth/access.ts';
import type { Store } from '../../../../src/storage/store.ts';
import { KEYS, openTestServer, reference, type TestServer } from '../../setup.ts';

const LARGE = { body: randomBytes(3_000_000), contentType: 'image/jpeg', extension: 'jpg' };

describe('a client of an export', () => {
  let s: TestServer;
  let close: () => Promise<unknown>;
  let url: string;
  /** Objects that the store returns before it fails. */
  let objectsLeft = 0;
  before(async () => {
    s = await openTestServer();
    const keys = parseApiKeys(`read:${KEYS.read}`);
    assert.ok('value' in keys);
    const get: Store['get'] = async (key, options) => {
      if (objectsLeft-- > 0) return await s.context.store.get(key, options);
      throw failure('store_unavailable', 'it is gone');
    };
    const app = await buildServer({
      ...s.context,
      store: { ...s.context.store, get },
      repeatedLog: createRepeatedLog(s.context.log),
      previews: openPreviews(s.context, createRepeatedLog(s.context.log)),
      runChecks: () => runChecks(s.context.gather),
      forgetChecks: () => undefined,
      checkAccount: async () => undefined,
      access: createAccess(keys.value, {
        clock: s.context.clock,
        revocations: s.context.catalogue.revocations,
      }),
      ingest: createIngest({ ...s.context, onAccepted: () => undefined }),
    });
    close = () => app.close();
    url = await app.listen({ host: '127.0.0.1', port: 0 });
    for (let n = 0; n < 3; n++) await s.createArchived(reference(), LARGE);
  });
  after(async () => {
    await close();
    await s.close();
  });

  const ask = () =>
    fetch(`${url}/v1/exports`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEYS.read}`, 'content-type': 'application/json' },
      body: JSON.stringify({ filter: {} }),
    });

  it('gets a problem where no byte was sent yet', async () => {
    objectsLeft = 0;
    const response = await ask();
    assert.equal(response.status, 503);
    assert.match(response.headers.get('content-type') ?? '', /problem\+json/);
    assert.equal(response.headers.get('content-disposition'), null);
    assert.equal(((await response.json()) as { code: string }).code, 'store_unavailable');
  });

  it('gets a broken response, and no end of a ZIP, where bytes were sent', async () => {
    objectsLeft = 2;
    const response = await ask();
    assert.equal(response.status, 200);
    const chunks: Uint8Array[] = [];
    await assert.rejects(async () => {
      for await (const chunk of response.body ?? []) chunks.push(chunk);
    });
    const bytes = Buffer.concat(chunks);
    assert.ok(bytes.length > LARGE.body.length, `${bytes.length} bytes`);
    assert.ok(!bytes.includes(Buffer.from('PK\x05\x06')));
    assert.ok(s.log.some((line) => line.includes('export: ended early')));
  });

  it('gets the whole when it asks again', async () => {
    objectsLeft = Number.POSITIVE_INFINITY;
    const response = await ask();
    const bytes = Buffer.from(await response.arrayBuffer());
    assert.ok(bytes.includes(Buffer.from('PK\x05\x06')));
  });
});
