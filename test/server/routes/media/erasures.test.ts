/** Erasing over HTTP: scopes, responses, and the audit log. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf } from '../../../../src/media.ts';
import { erasureSchema, erasuresSchema } from '../../../../src/server/routes/media/erasures.ts';
import { mediaSchema } from '../../../../src/server/routes/media/media-schema.ts';
import { selectionSchema } from '../../../../src/server/routes/media/selection-schema.ts';
import { problemSchema } from '../../../../src/server/routes/problem-schema.ts';
import { openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

const JPEG = { body: Buffer.from('a picture'), contentType: 'image/jpeg', extension: 'jpg' };

describe('erasing', () => {
  let server: TestServer;
  before(async () => {
    server = await openTestServer();
  });
  after(() => server.close());

  /** An archived media item that is not in the queue. */
  const archived = (fields = {}) => server.createArchived(reference(fields), JPEG);
  const erase = (id: string, query = '') =>
    server.call(`/v1/media/${id}${query}`, { method: 'DELETE', key: 'admin' });
  const requestErasure = (json: unknown, key: 'admin' | 'write' = 'admin') =>
    server.call('/v1/erasures', { json, key });
  const rowOf = async (id: string) =>
    (await (await server.call(`/v1/media/${id}`, { key: 'read' })).json()) as Record<string, unknown>;

  it('requires an admin key', async () => {
    const id = await archived();
    for (const key of [undefined, 'read', 'write'] as const) {
      const response = await server.call(`/v1/media/${id}`, { method: 'DELETE', key });
      assert.equal(response.status, key ? 403 : 401);
    }
    assert.equal((await requestErasure({ account: PLAIN.account, ids: [id] }, 'write')).status, 403);
    assert.equal((await rowOf(id)).status, 'archived');
  });

  it('returns 200 and the bare row when nothing is left, and the same when repeated', async () => {
    const id = await archived({ openId: 'o-of-one', msgId: '1', labels: { shop: '7' } });
    const { objectKey } = await rowOf(id);
    const response = await erase(id, '?reason=the+user+asked');
    assert.equal(response.status, 200);
    const row = (await response.json()) as Record<string, unknown>;
    mediaSchema.parse(row);
    assert.deepEqual(Object.keys(row).sort(), [
      'account',
      'attempts',
      'createdAt',
      'erasedAt',
      'id',
      'status',
      'updatedAt',
    ]);
    assert.equal(row.status, 'erased');
    assert.equal(await server.context.store.head(String(objectKey), AbortSignal.timeout(10_000)), undefined);
    const again = await erase(id);
    assert.deepEqual([again.status, await again.json()], [200, row]);
    const entries = await server.context.catalogue.auditLog.list({ target: id }, 9);
    assert.deepEqual(
      entries.map(({ actor, action, reason }) => [actor, action, reason]),
      [['key-3', 'erase', 'the user asked']],
    );
  });

  it('makes its content 410, and the item is never archived again', async () => {
    const input = reference();
    const id = await server.createArchived(input, JPEG);
    await erase(id);
    const content = await server.call(`/v1/media/${id}/content`, { key: 'read' });
    assert.equal(content.status, 410);
    assert.equal(((await content.json()) as { mediaStatus: string }).mediaStatus, 'erased');
    const again = await server.call('/v1/media', { json: input, key: 'write' });
    assert.deepEqual([again.status, ((await again.json()) as { status: string }).status], [200, 'erased']);
    const retry = await server.call(`/v1/media/${id}/retry`, { method: 'POST', key: 'write' });
    assert.equal(retry.status, 409);
    assert.equal((await rowOf(id)).status, 'erased');
  });

  it('returns 409 and what the store keeps, with personal data erased in any case', async () => {
    const id = await archived({ openId: 'o-of-the-kept' });
    // An object in the bucket of an earlier configuration cannot be reached from here.
    await server.context.database.query(`UPDATE wma.media SET bucket = 'elsewhere' WHERE id = $1`, [id]);
    const response = await erase(id);
    assert.equal(response.status, 409);
    const problem = (await response.json()) as { code: string; left: { bucket: string; why: string }[] };
    problemSchema.parse(problem);
    assert.equal(problem.code, 'erasure_kept');
    assert.deepEqual(
      problem.left.map(({ bucket, why }) => [bucket, why]),
      [['elsewhere', 'otherBucket']],
    );
    const row = await rowOf(id);
    mediaSchema.parse(row);
    assert.deepEqual([row.status, row.openId, row.erasedAt], ['erased', undefined, undefined]);
    assert.equal((row.erasing as { why: string }).why, 'kept');
    const content = await server.call(`/v1/media/${id}/content`, { key: 'read' });
    assert.equal(content.status, 410);
  });

  it('returns 202 while a worker may have the job', async () => {
    const input = reference();
    await server.context.accept([input]);
    const now = server.context.clock.now();
    const { account } = PLAIN;
    await server.context.catalogue.queue.claim([{ account, capacity: 10_000 }], now, 10_000);
    const response = await erase(idOf(account, input.mediaId));
    assert.equal(response.status, 202);
    const row = (await response.json()) as { status: string; erasedAt?: string; erasing: { why: string } };
    assert.deepEqual([row.status, row.erasedAt, row.erasing.why], ['erased', undefined, 'busy']);
  });

  it('erases all items of a user, shows the progress, and never returns the openId', async () => {
    const openId = 'o-of-many';
    const ids = [await archived({ openId }), await archived({ openId })];
    const other = await archived({ openId: 'o-of-another' });
    const response = await requestErasure({ account: 'shop', openId, reason: 'asked by letter' });
    assert.equal(response.status, 200);
    const text = await response.text();
    assert.ok(!text.includes(openId));
    const erasure = JSON.parse(text) as { id: string; state: string; total: number; done: number };
    erasureSchema.parse(erasure);
    assert.deepEqual([erasure.state, erasure.total, erasure.done], ['done', 2, 2]);
    assert.equal(response.headers.get('location'), `/v1/erasures/${erasure.id}`);
    const later = await server.call(`/v1/erasures/${erasure.id}`, { key: 'read' });
    assert.equal(((await later.json()) as { state: string }).state, 'done');
    for (const id of ids) assert.equal((await rowOf(id)).status, 'erased');
    assert.equal((await rowOf(other)).status, 'archived');
    assert.ok(server.log.every((line) => !line.includes(openId)));
  });

  it('erases items of the account by their ids, and lists ids that are not its own', async () => {
    const mine = await archived();
    const foreign = await archived({ account: SAFE.account });
    const response = await requestErasure({ account: PLAIN.account, ids: [mine, mine, foreign] });
    const erasure = (await response.json()) as { total: number; notFound: string[] };
    assert.deepEqual([erasure.total, erasure.notFound], [1, [foreign]]);
    assert.equal((await rowOf(foreign)).status, 'archived');
  });

  it('rejects invalid requests', async () => {
    const id = await archived();
    const { account } = PLAIN;
    const wrong: [unknown, string][] = [
      [{ account }, 'openId'],
      [{ openId: 'o' }, 'account'],
      [{ ids: [id] }, 'account'],
      [{ filter: {} }, 'filter'],
      [{ filter: { label: {} } }, 'filter.label'],
      [{ filter: { status: ['erased'] } }, 'filter.status.0'],
      [{ filter: { openId: 'o' }, openId: 'o' }, 'openId'],
      [{ account, filter: { account } }, 'filter.account'],
      [{ filter: { mediaId: 'm-named' }, reason: 'about M-NAMED' }, 'reason'],
      [{ filter: { openid: 'o' } }, 'filter'],
      [{ account, openId: 'o', ids: [id] }, 'openId'],
      [{ account, ids: [] }, 'ids'],
      [{ account, ids: ['nonsense'] }, 'ids.0'],
      [{ account, ids: Array.from({ length: 1_001 }, (_, n) => idOf(account, String(n))) }, 'ids'],
      [{ account, openId: 'o-named', reason: 'o-named wants it' }, 'reason'],
      [{ account, openId: 'o\0' }, 'openId'],
      [{ account, openId: 'o', force: true }, 'force'],
    ];
    for (const [json, field] of wrong) {
      const response = await requestErasure(json);
      assert.equal(response.status, 400, JSON.stringify(json));
      const { errors } = (await response.json()) as { errors: { field: string }[] };
      assert.ok(
        errors.some((error) => error.field === field),
        `${field} in ${JSON.stringify(errors)}`,
      );
    }
    assert.equal((await requestErasure({ account: 'wx-unknown', openId: 'o' })).status, 400);
    assert.equal((await erase(idOf('unknown', 'nothing'))).status, 404);
    assert.equal((await erase('nonsense')).status, 400);
    const unknown = await server.call(`/v1/erasures/e_${'0'.repeat(32)}`, { key: 'read' });
    assert.equal(unknown.status, 404);
    assert.equal((await rowOf(id)).status, 'archived');
  });

  it('by a filter is previewed by account, kind and status, and then erases just that', async () => {
    const labels = { case: 'of-the-filter' };
    const mine = await archived({ labels, kind: 'voice' });
    const dead = await server.createDead(reference({ labels }));
    const theirs = await archived({ labels, account: SAFE.account });
    const thumb = await archived({ parentId: mine, kind: 'thumb' });
    const other = await archived({ labels: { case: 'of-another' } });
    const filter = { label: labels };
    const preview = async (key: 'admin' | 'schoolAdmin') => {
      const body = { filter, dryRun: true, reason: 'asked' };
      const response = await server.call('/v1/erasures', { json: body, key });
      assert.equal(response.status, 200);
      const selection = (await response.json()) as { matched: number; bytes: number; groups: unknown[] };
      selectionSchema.parse(selection);
      return selection;
    };
    const all = await preview('admin');
    assert.deepEqual([all.matched, all.bytes], [4, 3 * JPEG.body.length]);
    const groups = all.groups as { account: string; kind: string; status: string; count: number }[];
    assert.deepEqual(
      groups
        .map((one) => `${one.account === PLAIN.account} ${one.kind} ${one.status} ${one.count}`)
        .toSorted(),
      ['false image archived 1', 'true image dead 1', 'true thumb archived 1', 'true voice archived 1'],
    );
    assert.equal((await preview('schoolAdmin')).matched, 1);
    for (const id of [mine, dead, theirs]) assert.notEqual((await rowOf(id)).status, 'erased', 'a dry run');

    const response = await requestErasure({ filter, reason: 'asked' });
    const { items } = (await response.json()) as { items: Record<string, unknown>[] };
    erasuresSchema.parse({ items });
    assert.equal(response.status, 200);
    assert.deepEqual(
      new Set(items.map(({ account, total, state }) => `${account} ${total} ${state}`)),
      new Set([`${PLAIN.account} 3 done`, `${SAFE.account} 1 done`]),
    );
    for (const id of [mine, dead, theirs, thumb]) assert.equal((await rowOf(id)).status, 'erased');
    assert.equal((await rowOf(other)).status, 'archived');
    assert.equal((await preview('admin')).matched, 0);
    assert.deepEqual(await (await requestErasure({ filter })).json(), { items: [] });
  });

  it('of everything of one user takes no number of items, and shows what they were', async () => {
    const openId = 'o-of-everything';
    await archived({ openId });
    await archived({ openId });
    await server.createDead(reference({ openId, kind: 'voice' }));
    await archived({ openId, account: SAFE.account });
    const response = await requestErasure({ filter: { openId, account: 'shop' }, reason: 'case 4711' });
    const { items } = (await response.json()) as { items: Record<string, unknown>[] };
    const [erasure] = items;
    assert.deepEqual([items.length, erasure?.state, erasure?.total], [1, 'done', 3]);
    const removed = erasure?.removed as { kind: string }[];
    assert.deepEqual(
      removed.toSorted((a, b) => a.kind.localeCompare(b.kind)),
      [
        { kind: 'image', count: 2, files: 2, bytes: 2 * JPEG.body.length },
        { kind: 'voice', count: 1, files: 0, bytes: 0 },
      ],
    );
    const proof = await server.json(`/v1/erasures/${erasure?.id}`, { key: 'read' });
    erasureSchema.parse(proof);
    assert.deepEqual(
      [proof.actor, proof.reason, proof.done, proof.unfinished, proof.removed],
      ['key-3', 'case 4711', 3, [], removed],
    );
    assert.ok(Date.parse(String(proof.finishedAt)) >= Date.parse(String(proof.createdAt)));
    const left = { account: PLAIN.account, openId, dryRun: true };
    assert.equal(((await (await requestErasure(left)).json()) as { matched: number }).matched, 0);
    const elsewhere = { account: SAFE.account, openId, dryRun: true };
    assert.equal(((await (await requestErasure(elsewhere)).json()) as { matched: number }).matched, 1);
  });

  it('of more than a thousand items by a filter is refused, in a dry run too', async () => {
    const labels = { many: 'items' };
    const references = Array.from({ length: 1_001 }, () => ({ ...reference({ labels }) }));
    await server.context.catalogue.media.insert(references, server.context.clock.now(), false);
    for (const dryRun of [true, false]) {
      const response = await requestErasure({ filter: { label: labels }, dryRun });
      const problem = (await response.json()) as { errors: { field: string; message: string }[] };
      assert.equal(response.status, 400);
      assert.match(problem.errors[0]?.message ?? '', /more than 1000 media items: narrow the filter/);
    }
  });

  it('is in the list of the latest, without openIds, and only for keys of its account', async () => {
    const openId = 'o-of-the-list';
    const id = await archived({ openId });
    await requestErasure({ account: PLAIN.account, openId });
    const list = async (key: 'read' | 'schoolRead') => {
      const response = await server.call('/v1/erasures', { key });
      const text = await response.text();
      assert.equal(response.status, 200);
      assert.ok(!text.includes(openId));
      const body = JSON.parse(text) as { items: { account: string; createdAt: string }[] };
      erasuresSchema.parse(body);
      return body.items;
    };
    const all = await list('read');
    assert.deepEqual([all[0]?.account, all.length > 1], [PLAIN.account, true]);
    const times = all.map(({ createdAt }) => createdAt);
    assert.deepEqual(times, times.toSorted().toReversed());
    assert.ok((await list('schoolRead')).every(({ account }) => account === SAFE.account));
    assert.equal((await rowOf(id)).status, 'erased');
  });

  it('hides an erasure from keys of other accounts', async () => {
    const id = await archived();
    const { id: erasure } = (await (await requestErasure({ account: PLAIN.account, ids: [id] })).json()) as {
      id: string;
    };
    const response = await server.call(`/v1/erasures/${erasure}`, { key: 'school' });
    assert.equal(response.status, 404);
  });
});
