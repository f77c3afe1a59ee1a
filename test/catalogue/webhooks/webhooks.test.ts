/** Webhook endpoints and deliveries in the catalogue: fan-out, claims, outcomes, replays and removal. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import type { NewEndpoint } from '../../../src/catalogue/webhooks/endpoints.ts';
import { MAX_ENDPOINTS, MAX_PENDING } from '../../../src/catalogue/webhooks/endpoints.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const ACT = { by: 'admin', now: NOW };
const SECRET = { 'webhook store': 'v1.x' };

for (const backend of backends) {
  describe(`webhooks on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let webhooks: Catalogue['webhooks'];
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
      webhooks = catalogue.webhooks;
    });
    after(() => cleanup.run());
    beforeEach(async () => {
      await database.query(`TRUNCATE ${SCHEMA}.webhook_endpoint, ${SCHEMA}.webhook_delivery`);
    });

    const create = async (fields: Partial<NewEndpoint> = {}) =>
      (await webhooks.endpoints.create({ url: 'https://example.com/hook', secret: SECRET, ...fields }, ACT))!;
    async function happen(count: number, { type = 'media.archived', account = 'wx1' } = {}): Promise<void> {
      await database.query(
        `INSERT INTO ${SCHEMA}.event_outbox (type, at, account, media)
         SELECT $1, $2, $3, CASE WHEN $3::text IS NULL THEN NULL ELSE 'm_' || n END FROM generate_series(1, $4) AS n`,
        [type, NOW, account || null, count],
      );
      while ((await catalogue.events.sequence()).hasMore);
    }
    async function fanOutAll(): Promise<number> {
      let made = 0;
      for (;;) {
        const turn = await webhooks.fanOut(NOW);
        made += turn.made;
        if (!turn.isMore || turn.made === 0) return made;
      }
    }
    const claim = (endpoint: string, count: number, now = NOW, lease = 'a') =>
      webhooks
        .claim([{ endpoint, count }], {
          lease,
          now,
          until: new Date(now.getTime() + 25_000),
          failingBefore: at(-60),
        })
        .then((claimed) => claimed.flatMap(({ deliveries }) => deliveries));
    const list = (endpoint: string) => webhooks.deliveries.list(endpoint, { limit: 200 }, NOW);

    it('each event is fanned out once to each endpoint that wants its type and its account, from its creation on', async () => {
      await happen(3);
      const all = await create();
      const dead = await create({ types: ['media.dead'] });
      const bound = await create({ accounts: ['wx2'] });
      await happen(2);
      await happen(1, { type: 'media.dead' });
      await happen(1, { account: 'wx2' });
      await happen(1, { type: 'store.held', account: '' });
      const turns = await Promise.all(Array.from({ length: 4 }, () => webhooks.fanOut(NOW)));
      assert.equal(turns.reduce((sum, { made }) => sum + made, 0) + (await fanOutAll()), 7);
      const typesOf = async (id: string) => (await list(id)).map(({ event }) => event.type).reverse();
      assert.deepEqual(await typesOf(all.id), [
        'media.archived',
        'media.archived',
        'media.dead',
        'media.archived',
        'store.held',
      ]);
      assert.deepEqual(await typesOf(dead.id), ['media.dead']);
      assert.deepEqual(
        (await list(bound.id)).map(({ event }) => event.account),
        ['wx2'],
      );
      assert.equal((await webhooks.endpoints.states(all.id))[0]!.behind, 0);
    });

    it('fan-out pauses at ten thousand pending deliveries and goes on when some have ended', async () => {
      const { id } = await create();
      await happen(MAX_PENDING + 700);
      await fanOutAll();
      const [paused] = await webhooks.endpoints.states(id);
      assert.equal(paused!.pending, MAX_PENDING);
      assert.equal(paused!.behind, 700);
      const jobs = await claim(id, 8);
      await webhooks.finish(
        jobs.map((delivery) => ({ delivery, lease: 'a', startedAt: NOW, durationMs: 5, status: 200 })),
      );
      assert.ok((await fanOutAll()) > 0);
    });

    it('a disabled endpoint gets nothing, and when it is enabled goes on where it was and counts what was removed', async () => {
      const { id } = await create();
      await webhooks.endpoints.disable(id, 'by_hand', ACT);
      await happen(5);
      assert.equal(await fanOutAll(), 0);
      // As EVENT_RETENTION removes a partition.
      await database.query(
        `DELETE FROM ${SCHEMA}.event WHERE position IN (SELECT position FROM ${SCHEMA}.event ORDER BY position DESC LIMIT 3 OFFSET 2)`,
      );
      await webhooks.endpoints.enable(id, ACT);
      assert.equal(await fanOutAll(), 2);
      assert.equal((await webhooks.endpoints.get(id))!.missed, 3);
    });

    it('at most eight deliveries of an endpoint are leased by all processes together, and one while it is failing', async () => {
      const { id } = await create();
      await happen(40);
      await fanOutAll();
      const claims = await Promise.all(['a', 'b', 'c'].map((lease) => claim(id, 6, NOW, lease)));
      const more = await claim(id, 6, NOW, 'd');
      assert.equal(claims.flat().length + more.length, 8);
      assert.equal((await claim(id, 6, at(24), 'e')).length, 0);
      const again = await claim(id, 8, at(26), 'e');
      assert.equal(again.length, 8, 'the leases of a killed process lapse');
      await webhooks.finish(
        again.map((delivery) => ({
          delivery,
          lease: 'e',
          startedAt: at(-120),
          durationMs: 5,
          reason: 'refused',
          retryAt: at(900),
        })),
      );
      assert.equal((await claim(id, 8, at(60), 'f')).length, 1);
    });

    it('a late success counts, a late failure does not', async () => {
      const { id } = await create();
      await happen(2);
      await fanOutAll();
      const [first, second] = await claim(id, 2);
      await claim(id, 2, at(30), 'b');
      await webhooks.finish([
        { delivery: first!, lease: 'a', startedAt: NOW, durationMs: 5, status: 204 },
        { delivery: second!, lease: 'a', startedAt: NOW, durationMs: 5, reason: 'timeout', retryAt: at(99) },
      ]);
      const states = (await list(id)).map(({ state, attempts }) => ({ state, attempts }));
      assert.deepEqual(states, [
        { state: 'pending', attempts: 0 },
        { state: 'delivered', attempts: 1 },
      ]);
    });

    it('failures are kept with status and reason, the first one since a success begins failing, and five days disable', async () => {
      const { id } = await create({ accounts: ['wx1'] });
      await happen(2);
      await fanOutAll();
      const [first, second] = await claim(id, 2);
      const failed = { lease: 'a', startedAt: NOW, durationMs: 5, status: 500, reason: 'status' };
      await webhooks.finish([{ ...failed, delivery: first!, retryAt: at(5) }]);
      await webhooks.finish([{ ...failed, delivery: second!, startedAt: at(9) }]);
      const endpoint = (await webhooks.endpoints.get(id))!;
      assert.deepEqual(endpoint.failingSince, NOW);
      assert.equal(endpoint.lastFailure?.status, 500);
      const [last] = await list(id);
      assert.equal(last!.state, 'failed');
      assert.equal(last!.reason, 'status');
      assert.equal(await webhooks.disable(id, { failingBefore: at(-1) }, NOW), false);
      assert.equal(await webhooks.disable(id, { failingBefore: NOW }, NOW), true);
      assert.equal((await webhooks.endpoints.get(id))!.disabled?.reason, 'failing');
      assert.deepEqual(await webhooks.due(at(60)), []);
      const [entry] = await catalogue.auditLog.list({ action: 'webhook.disable', accounts: ['wx1'] }, 1);
      assert.equal(entry?.target, id);
      await webhooks.endpoints.enable(id, ACT);
      assert.deepEqual(await webhooks.due(at(60)), [id]);
      const resent = await webhooks.deliveries.resend(id, last!.id, ACT);
      assert.equal(resent?.state, 'pending');
      const [again] = (await claim(id, 2, at(61))).filter((one) => one.id === last!.id);
      await webhooks.finish([
        { delivery: again!, lease: 'a', startedAt: at(61), durationMs: 1, status: 200 },
      ]);
      const recovered = (await webhooks.endpoints.get(id))!;
      assert.equal(recovered.failingSince, undefined);
      assert.ok(recovered.lastSuccessAt);
    });

    it('after an account was taken from an endpoint, nothing of it is sent, listed or sent again', async () => {
      const { id } = await create();
      await happen(2);
      await happen(2, { account: 'wx2' });
      await happen(1, { type: 'store.held', account: '' });
      await fanOutAll();
      const ended = (await list(id)).filter(({ event }) => event.type !== 'store.held').slice(1, 3);
      assert.deepEqual(
        ended.map(({ event }) => event.account),
        ['wx2', 'wx1'],
      );
      await claim(id, 8);
      await webhooks.finish(
        ended.map((delivery) => ({ delivery, lease: 'a', startedAt: NOW, durationMs: 5, status: 200 })),
      );
      await webhooks.endpoints.update(id, { accounts: ['wx1'] }, ACT);
      const left = await list(id);
      assert.deepEqual(
        left.map(({ state, event }) => [state, event.account]),
        [
          ['delivered', 'wx1'],
          ['pending', 'wx1'],
        ],
      );
      assert.equal(await webhooks.deliveries.resend(id, ended[0]!.id, ACT), undefined);
      assert.equal((await webhooks.deliveries.resend(id, ended[1]!.id, ACT))?.state, 'pending');
      const due = await claim(id, 8, at(60));
      assert.ok(due.length === 2 && due.every(({ event }) => event.account === 'wx1'));
    });

    it('a replay makes new deliveries of the wanted events of a time, or none if there are too many', async () => {
      await happen(4);
      await happen(2, { type: 'media.dead' });
      const head = (await catalogue.events.head()).position;
      const { id } = await create({ types: ['media.dead'] });
      const range = { after: head - 6, until: head };
      assert.deepEqual(await webhooks.replay(id, range, NOW), { made: 2 });
      assert.deepEqual(await webhooks.replay(id, range, NOW), { made: 2 });
      assert.equal((await list(id)).length, 4);
      await database.query(`UPDATE ${SCHEMA}.webhook_endpoint SET types = NULL`);
      await happen(MAX_PENDING);
      const all = { after: head - 6, until: head + MAX_PENDING };
      assert.deepEqual(await webhooks.replay(id, all, NOW), {
        matched: MAX_PENDING + 6,
        room: MAX_PENDING - 4,
      });
      assert.equal((await list(id)).length, 4);
    });

    it('ended deliveries are removed after their time, and those of a deleted endpoint with the endpoint', async () => {
      const kept = await create();
      const deleted = await create();
      await happen(3);
      await fanOutAll();
      const jobs = await claim(kept.id, 2);
      await webhooks.finish(
        jobs.map((delivery, index) => ({
          delivery,
          lease: 'a',
          startedAt: at(index * 100),
          durationMs: 0,
          status: 200,
        })),
      );
      await webhooks.endpoints.delete(deleted.id, ACT);
      assert.equal(await webhooks.endpoints.get(deleted.id), undefined);
      while (await webhooks.deliveries.remove(at(50)));
      assert.equal((await list(kept.id)).length, 2);
      const left = await database.query(`SELECT FROM ${SCHEMA}.webhook_endpoint`);
      assert.equal(left.length, 1);
    });

    it('the number of endpoints is limited, also for two requests at once', async () => {
      await Promise.all(Array.from({ length: MAX_ENDPOINTS - 1 }, () => create()));
      const last = await Promise.all([create(), create()]);
      assert.equal(last.filter(Boolean).length, 1);
    });

    it('the endpoint of the configuration is created once and kept in step; its old secret signs on', async () => {
      const given = { url: 'https://example.com/a', secret: SECRET, previousUntil: at(86_400) };
      await webhooks.endpoints.saveConfigured({ ...given, isSecretNew: () => false }, ACT);
      await webhooks.endpoints.saveConfigured({ ...given, isSecretNew: () => false }, ACT);
      const [first] = await webhooks.endpoints.list();
      assert.equal(first?.id, 'configured');
      const secret = { 'webhook store': 'v1.y' };
      const changed = { ...given, url: 'https://example.com/b', secret };
      await webhooks.endpoints.saveConfigured({ ...changed, isSecretNew: () => true }, ACT);
      const after = (await webhooks.endpoints.get('configured'))!;
      assert.deepEqual([after.url, after.secret, after.previousSecret], [changed.url, secret, SECRET]);
      await webhooks.endpoints.disable('configured', 'not_configured', ACT);
      await webhooks.endpoints.delete('configured', ACT);
      await webhooks.endpoints.saveConfigured({ ...given, isSecretNew: () => true }, ACT);
      const back = (await webhooks.endpoints.get('configured'))!;
      assert.equal(back.disabled, undefined);
      assert.equal(back.previousSecret, undefined);
    });
  });
}
