/** Redriving dead letters over HTTP: preview, validation, progress, and the audit log. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  acceptedSchema,
  previewSchema,
  redriveSchema,
  redrivesSchema,
} from '../../../../src/server/routes/dead-letters/redrives.ts';
import { mediaSchema } from '../../../../src/server/routes/media/media-schema.ts';
import { auditLogSchema } from '../../../../src/server/routes/operations/audit-log.ts';
import { type Call, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

type Json = Record<string, unknown>;

describe('a redrive', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const json = <T = Json>(path: string, call: Call, status?: number) =>
    s.json<T>(path, { key: 'admin', ...call }, status);
  const redrive = <T = Json>(body: unknown, status = 202, call: Call = {}) =>
    json<T>('/v1/redrives', { json: body, ...call }, status);
  /** The field errors of an invalid request. */
  const refused = async (body: unknown) =>
    (await redrive<{ errors: { field: string; message: string }[] }>(body, 400)).errors.map(
      ({ field, message }) => `${field}: ${message}`,
    );
  const stop = async (id: unknown) => json(`/v1/redrives/${id}`, { method: 'DELETE' });

  it('is previewed by failure, with message and advice, and changes nothing', async () => {
    const id = await s.createDead(reference({ kind: 'video' }));
    const preview = await redrive<{ matched: number; groups: Json[] }>(
      { filter: { account: 'shop' }, dryRun: true },
      200,
      { headers: { 'accept-language': 'zh' } },
    );
    previewSchema.parse(preview);
    assert.equal(preview.matched, 1);
    assert.match(String(preview.groups[0]?.message), /文件大小超过/);
    assert.equal((await s.context.catalogue.media.get(id))?.status, 'dead');
    const none = await redrive<{ matched: number; groups: Json[] }>(
      { filter: { errcode: 40007 }, dryRun: true },
      200,
    );
    assert.deepEqual(none, { matched: 0, groups: [] });
  });

  it('can be started, read, listed and stopped, each with an entry in the audit log', async () => {
    await s.createDead(reference({ kind: 'video' }));
    const filter = {
      account: ['shop'],
      code: 'too_large',
      kind: ['video'],
      failedFrom: '2020-01-01T00:00:00+08:00',
    };
    const accepted = await redrive<{ id: string; matched: number }>({
      filter,
      rate: 1,
      reason: ' limit raised ',
    });
    acceptedSchema.parse(accepted);
    assert.ok(accepted.matched >= 1);
    const shown = await json(`/v1/redrives/${accepted.id}`, { key: 'read' });
    redriveSchema.parse(shown);
    assert.deepEqual(
      [shown.state, shown.done, shown.skipped, shown.total, shown.actor, shown.reason],
      ['running', 0, 0, accepted.matched, 'key-3', 'limit raised'],
    );
    assert.deepEqual((shown.filter as Json).account, [PLAIN.account]);
    const { items } = await json<{ items: Json[] }>('/v1/redrives', { key: 'read' });
    redrivesSchema.parse({ items });
    assert.equal(items[0]?.id, accepted.id);
    assert.equal((await stop(accepted.id)).state, 'stopped');
    assert.equal((await stop(accepted.id)).state, 'stopped', 'stopping again changes nothing');
    const log = await json<{ items: Json[] }>(`/v1/audit-log?target=${accepted.id}`, { key: 'read' });
    auditLogSchema.parse(log);
    assert.deepEqual(
      log.items.map(({ action, actor, reason }) => [action, actor, reason]),
      [
        ['redrive.stop', 'key-3', undefined],
        ['redrive', 'key-3', 'limit raised'],
      ],
    );
  });

  it('is rejected for invalid options, with the name of each field', async () => {
    assert.deepEqual(await refused({}), ['filter: is empty: set all: true to redrive every dead letter']);
    assert.deepEqual(await refused({ filter: {}, dryRun: true }), [
      'filter: is empty: set all: true to redrive every dead letter',
    ]);
    assert.deepEqual(await refused({ filter: { status: 'expired' } }), [
      'filter.status: expired media items are redriven only with force: true',
    ]);
    assert.match((await refused({ filter: { errcode: '40007' } }))[0]!, /^filter\.errcode: /);
    assert.match((await refused({ filter: { status: 'archived' }, force: true }))[0]!, /^filter\.status: /);
    assert.match(
      (await refused({ filter: { code: 'invalid_media' } }))[0]!,
      /^filter\.code: is not the code/,
    );
    assert.match((await refused({ filter: { class: 'transitory' } }))[0]!, /^filter\.class: /);
    assert.match((await refused({ filter: { sentFrom: 'yesterday' } }))[0]!, /^filter\.sentFrom: /);
    assert.match((await refused({ filter: { ercode: 40007 } }))[0]!, /ercode/);
    const times = { failedFrom: '2026-05-02T00:00:00Z', failedTo: '2026-05-01T00:00:00Z' };
    assert.deepEqual(await refused({ filter: times }), ['filter.failedTo: must be after failedFrom']);
    for (const body of [
      { rate: 0 },
      { rate: 1001 },
      { limit: 0 },
      { reason: '' },
      { reason: '\0' },
      { force: 1 },
    ]) {
      const [field] = Object.keys(body);
      assert.match((await refused({ all: true, ...body }))[0]!, new RegExp(`^${field}: `));
    }
    const unknown = await redrive<{ code: string; errors: Json[] }>(
      { filter: { account: ['shop', 'shpo'] } },
      400,
    );
    assert.equal(unknown.code, 'unknown_account');
    assert.deepEqual(unknown.errors, [{ field: 'filter.account.1', message: 'shpo is not configured' }]);
    await json(`/v1/redrives/r_${'0'.repeat(32)}`, {}, 404);
    await json('/v1/redrives/everything', {}, 400);
  });

  it('takes every field of the list of media items that means something for dead letters', async () => {
    const openId = 'o-of-a-redriven-person';
    const given = reference({ openId, msgId: '4711', labels: { till: 'seven', shop: 'a' } });
    const id = await s.createDead(given);
    const other = await s.createDead(reference({ openId: 'o-of-another', labels: { till: 'eight' } }));
    for (const filter of [
      { openId },
      { id },
      { id: [id, 'm_unknown'] },
      { mediaId: [given.mediaId] },
      { msgId: '4711' },
      { label: { till: 'seven' } },
      { label: { till: 'seven', shop: 'a' }, account: 'shop', code: 'too_large', kind: 'image' },
    ]) {
      const preview = await redrive<{ matched: number }>({ filter, dryRun: true }, 200);
      assert.equal(preview.matched, 1, JSON.stringify(filter));
    }
    const none = { openId, label: { till: 'eight' } };
    assert.equal((await redrive<{ matched: number }>({ filter: none, dryRun: true }, 200)).matched, 0);
    const accepted = await redrive<{ id: string; matched: number }>({ filter: { openId }, reason: 'asked' });
    assert.equal(accepted.matched, 1);
    const shown = await json(`/v1/redrives/${accepted.id}`, {});
    redriveSchema.parse(shown);
    assert.deepEqual(shown.filter, { status: ['dead'], notKept: ['openId'] });
    const { redrives } = s.context.catalogue;
    const next = (await redrives.listRunning(99)).find((one) => one.id === accepted.id);
    await redrives.runPage(accepted.id, next!.nextPageAt);
    assert.equal((await s.context.catalogue.media.get(id))?.status, 'pending');
    assert.equal((await s.context.catalogue.media.get(other))?.status, 'dead');
    assert.deepEqual(
      (await refused({ filter: { openId }, reason: `for ${openId.toUpperCase()}` }))[0],
      'reason: is stored permanently: remove the openId',
    );
    for (const [filter, message] of [
      [{ status: ['pending'] }, /^filter\.status\.0: only dead and expired/],
      [{ sha256: 'a'.repeat(64) }, /^filter\.sha256: only archived/],
      [{ expiresFrom: '2026-05-01T00:00:00Z' }, /^filter\.expiresFrom: only pending/],
      [{ expiresBefore: '2026-05-01T00:00:00Z' }, /^filter\.expiresBefore: only pending/],
      [{ label: {} }, /^filter\.label: must have at least one label/],
      [{ id: [] }, /^filter\.id: /],
      [{ openId: ['a', 'b'] }, /^filter\.openId: /],
      [{ openid: 'a' }, /openid/],
    ] as const)
      assert.match((await refused({ filter, dryRun: true }))[0]!, message);
  });

  it('requires an admin key, and with a key for one account covers only that', async () => {
    await redrive({ all: true }, 403, { key: 'write' });
    await s.createDead(reference());
    const theirs = await s.createDead(reference({ account: SAFE.account }));
    const key = 'schoolAdmin';
    const preview = await redrive<{ groups: Json[] }>({ all: true, dryRun: true }, 200, { key });
    assert.deepEqual(new Set(preview.groups.map(({ account }) => account)), new Set([SAFE.account]));
    await redrive({ filter: { account: 'shop' } }, 403, { key });
    const { id } = await redrive({ all: true, rate: 1 }, 202, { key });
    const ofAllAccounts = await redrive({ all: true, rate: 1 });
    await json(`/v1/redrives/${ofAllAccounts.id}`, { key }, 404);
    await json(`/v1/redrives/${ofAllAccounts.id}`, { key, method: 'DELETE' }, 404);
    const { items } = await json<{ items: Json[] }>('/v1/redrives', { key });
    assert.deepEqual(
      items.map((one) => one.id),
      [id],
    );
    await json(`/v1/media/${theirs}/retry`, { key, method: 'POST' }, 202);
    await s.context.catalogue.accounts.release(PLAIN.account, new Date());
    const log = await json<{ items: Json[] }>('/v1/audit-log', { key });
    assert.deepEqual(new Set(log.items.map((entry) => entry.target)), new Set([id, theirs]));
    await stop(id);
    await stop(ofAllAccounts.id);
  });

  it('of one media item records who and why in its row and in the audit log', async () => {
    const id = await s.createDead(reference());
    await json(`/v1/media/${id}/retry`, { key: 'write', json: { reason: 'limit raised' } }, 202);
    const row = await json(`/v1/media/${id}`, { key: 'read' });
    mediaSchema.parse(row);
    const { at, ...redriven } = row.lastRedrive as Json;
    assert.ok(Date.parse(String(at)) > Date.now() - 60_000);
    assert.deepEqual([row.redrives, redriven], [1, { by: 'key-2', reason: 'limit raised' }]);
    const { items } = await json<{ items: Json[] }>(`/v1/audit-log?target=${id}`, {});
    assert.deepEqual(
      items.map(({ action, actor, reason }) => [action, actor, reason]),
      [['redrive', 'key-2', 'limit raised']],
    );
    await json(`/v1/media/${id}/retry`, { key: 'write', method: 'POST' }, 409);
    await json(`/v1/media/${id}/retry`, { key: 'write', json: { why: 'x' } }, 400);
    const metrics = await (await s.call('/metrics', { key: 'read' })).text();
    assert.match(metrics, /^wma_redriven_total [1-9]/m);
  });

  it('of one expired media item requires force', async () => {
    const id = await s.createDead(reference());
    await s.context.database.query(`UPDATE wma.media SET status = 'expired' WHERE id = $1`, [id]);
    await json(`/v1/media/${id}/retry`, { key: 'write', method: 'POST' }, 409);
    await json(`/v1/media/${id}/retry`, { key: 'write', json: { force: true } }, 202);
    assert.equal((await s.context.catalogue.media.get(id))?.status, 'pending');
  });

  it('can be followed in the audit log, page by page, by the name of the account too', async () => {
    const hold = '/v1/accounts/shop/hold';
    await json(hold, { method: 'PUT', json: { reason: 'migration' } });
    await json(hold, { method: 'DELETE' });
    const first = await json<{ items: Json[]; nextBefore: number }>('/v1/audit-log?target=shop&limit=1', {});
    assert.deepEqual([first.items[0]?.action, first.items[0]?.actor], ['release', 'key-3']);
    const second = await json<{ items: Json[] }>(
      `/v1/audit-log?target=shop&limit=1&before=${first.nextBefore}`,
      {},
    );
    assert.deepEqual([second.items[0]?.action, second.items[0]?.reason], ['hold', 'migration']);
    const last = await json<{ nextBefore: unknown }>('/v1/audit-log?limit=200', {});
    assert.equal(last.nextBefore, null);
    await json('/v1/audit-log?limit=0', {}, 400);
    await json('/v1/audit-log?before=x', {}, 400);
    await json('/v1/audit-log?acount=shop', {}, 400);
  });
});
