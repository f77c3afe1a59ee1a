/** /v1/verifications: scopes, validation, and the life of a verification. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  verificationSchema,
  verificationsSchema,
} from '../../../../src/server/routes/operations/verifications.ts';
import { type Call, openTestServer, type TestServer } from '../../setup.ts';

const PATH = '/v1/verifications';

describe('a verification', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const json = (path: string, call: Call, status: number) => s.json(path, { key: 'admin', ...call }, status);

  it('can be started, read, listed and stopped', async () => {
    const created = await json(
      PATH,
      { json: { sample: 10, filter: { account: 'shop' }, reason: 'monthly' } },
      202,
    );
    verificationSchema.parse(created);
    const at = `${PATH}/${created.id}`;
    assert.equal((await json(at, { key: 'read' }, 200)).kind, 'verify');
    const list = await json(PATH, { key: 'read' }, 200);
    verificationsSchema.parse(list);
    assert.deepEqual(
      (list.items as { id: string }[]).map(({ id }) => id),
      [created.id],
    );
    const stopped = await json(at, { method: 'DELETE' }, 200);
    verificationSchema.parse(stopped);
    assert.ok(stopped.endedAt, 'it has ended');
  });

  it('is refused for options that are missing or contradict each other', async () => {
    const refusals: [body: object, field: string][] = [
      [{}, 'sample'],
      [{ all: true, sample: 10 }, 'sample'],
      [{ sample: 0 }, 'sample'],
      [{ all: true, filter: { account: 'sh\0p' } }, 'filter.account'],
      [{ all: true, filter: { account: [] } }, 'filter.account'],
      [{ all: true, filter: { sentFrom: 'yesterday' } }, 'filter.sentFrom'],
      [{ kind: 'adopt', filter: { account: 'shop' } }, 'filter'],
      [{ kind: 'adopt', remove: true }, 'remove'],
      [{ kind: 'adopt', all: true }, 'all'],
      [{ kind: 'adopt', sample: 10 }, 'sample'],
      [{ kind: 'orphans', sample: 10 }, 'sample'],
      [{ all: true, dryRun: true }, 'dryRun'],
      [{ kind: 'orphans', remove: true, dryRun: true }, 'remove'],
      [{ all: true, rate: { bytesPerSecond: 1 } }, 'rate.bytesPerSecond'],
      [{ kind: 'repair' }, 'kind'],
    ];
    for (const [body, field] of refusals) {
      const { errors } = (await json(PATH, { json: body }, 400)) as { errors: { field: string }[] };
      assert.ok(
        errors.some((error) => error.field === field),
        `${JSON.stringify(body)}: ${JSON.stringify(errors)}`,
      );
    }
    await json(`${PATH}/v_${'0'.repeat(24)}`, {}, 404);
    await json(`${PATH}/latest`, {}, 400);
  });

  it('requires an admin key for all accounts, because the bucket is shared', async () => {
    await json(PATH, { json: { all: true }, key: 'write' }, 403);
    await json(PATH, { json: { all: true }, key: 'schoolAdmin' }, 403);
    await json(PATH, { key: 'schoolAdmin' }, 403);
  });
});
