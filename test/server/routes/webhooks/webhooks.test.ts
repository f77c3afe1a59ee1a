/** /v1/webhooks: endpoints, keys that are bound to accounts, tests, deliveries, replays, and the one of WEBHOOK_URL. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startWebhooks } from '../../../../src/app/webhooks/sending.ts';
import { createCleanup } from '../../../machine/cleanup.ts';
import { ok, openWebhookReceiver } from '../../../pipeline/webhooks/receivers.ts';
import { type Call, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

interface Endpoint {
  id: string;
  url: string;
  secret?: string;
  state: string;
  accounts: string[] | null;
  disabled: { reason: string; message: string } | null;
  isConfigured: boolean;
  pending: number;
  missed: number;
}
interface Delivery {
  id: number;
  state: string;
  attempts: number;
  status?: number;
  reason?: string;
  event: { id: string; type: string; media?: string };
}

const URL_SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

describe('webhooks in the API', () => {
  let s: TestServer;
  let receiver: Awaited<ReturnType<typeof openWebhookReceiver>>;
  let secret = URL_SECRET;
  const cleanup = createCleanup();
  before(async () => {
    receiver = await openWebhookReceiver(cleanup.hooks, () => secret);
    s = await openTestServer({
      environment: {
        WEBHOOK_ALLOW_HOSTS: '127.0.0.1',
        WEBHOOK_URL: 'https://configured.example.com/hook?key=of-the-configuration',
        WEBHOOK_SECRET: URL_SECRET,
      },
    });
    cleanup.hooks.after(() => s.close());
  });
  after(() => cleanup.run());

  const create = (body: object, key: Call['key'] = 'admin', status = 201) =>
    s.json<Endpoint & { errors?: { field: string; message: string }[]; code?: string; rule?: string }>(
      '/v1/webhooks',
      { key, json: body },
      status,
    );
  const act = <T = Endpoint>(path: string, key: Call['key'] = 'admin', status = 200, json: object = {}) =>
    s.json<T>(`/v1/webhooks/${path}`, { method: 'POST', key, json }, status);
  const get = (id: string, key: Call['key'] = 'read') => s.json<Endpoint>(`/v1/webhooks/${id}`, { key });
  async function untilDeliveries(id: string, condition: (all: Delivery[]) => boolean): Promise<Delivery[]> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const { items } = await s.json<{ items: Delivery[] }>(`/v1/webhooks/${id}/deliveries?limit=200`, {
        key: 'read',
      });
      if (condition(items)) return items;
      assert.ok(performance.now() < deadline, JSON.stringify(items));
      await wait(30);
    }
  }

  it('the secret is shown once, and the query of the address only to admins', async () => {
    const created = await create({ url: receiver.url, types: ['media.archived'], description: 'the shop' });
    assert.match(created.secret!, /^whsec_/);
    assert.equal(created.accounts, null);
    const admin = JSON.stringify(await s.json(`/v1/webhooks/${created.id}`, { key: 'admin' }));
    assert.ok(!admin.includes('secret":"whsec') && admin.includes('token=not-for-logs'));
    const list = JSON.stringify(await s.json('/v1/webhooks', { key: 'read' }));
    assert.ok(
      list.includes(created.id) && !list.includes('not-for-logs') && !list.includes('of-the-configuration'),
    );
    const audit = JSON.stringify(await s.json('/v1/audit-log?action=webhook.create', { key: 'read' }));
    assert.ok(audit.includes(created.id) && !audit.includes('not-for-logs'));
    const stored = JSON.stringify(await s.context.database.query('SELECT secret FROM wma.webhook_endpoint'));
    assert.ok(!stored.includes(created.secret!) && !stored.includes(created.secret!.slice(6)));
    assert.ok(!s.log.join('').includes('not-for-logs'));
  });

  it('an address that breaks a rule is refused with the rule, in the language of the client', async () => {
    const refused = await create({ url: 'https://169.254.169.254/latest' }, 'admin', 400);
    assert.deepEqual(
      [refused.code, refused.rule, refused.errors?.[0]?.field],
      ['webhook_address', 'private', 'url'],
    );
    const chinese = await s.call('/v1/webhooks', {
      key: 'admin',
      json: { url: 'http://example.com' },
      headers: { 'accept-language': 'zh' },
    });
    assert.match(await chinese.text(), /必须以 https:\/\/ 开头/);
    const { id } = await create({ url: receiver.url });
    const changed = { method: 'PATCH', key: 'admin', json: { url: 'https://u:p@example.com' } } as const;
    assert.equal((await s.json(`/v1/webhooks/${id}`, changed, 400)).rule, 'credentials');
  });

  it('bad bodies are refused: unknown fields and types, no accounts, events of the store for single accounts', async () => {
    const { url } = receiver;
    await create({ url, tpyes: ['media.dead'] }, 'admin', 400);
    await create({ url, types: ['media.gone'] }, 'admin', 400);
    await create({ url, types: [] }, 'admin', 400);
    await create({ url, accounts: [] }, 'admin', 400);
    await create({ url, accounts: ['nobody'] }, 'admin', 400);
    const store = await create({ url, accounts: [SAFE.account], types: ['store.held'] }, 'admin', 400);
    assert.equal(store.errors?.[0]?.field, 'types');
    await create({ url }, 'write', 403);
  });

  it('a key that is bound to accounts makes, sees and changes only endpoints of its accounts', async () => {
    const { url } = receiver;
    const everything = await create({ url });
    const mine = await create({ url }, 'schoolAdmin');
    assert.deepEqual(mine.accounts, [SAFE.account]);
    assert.deepEqual((await create({ url, accounts: ['school'] }, 'schoolAdmin')).accounts, [SAFE.account]);
    await create({ url, accounts: [PLAIN.account] }, 'schoolAdmin', 403);
    await create({ url, types: ['store.held'] }, 'schoolAdmin', 400);
    const { items } = await s.json<{ items: Endpoint[] }>('/v1/webhooks', { key: 'schoolRead' });
    assert.ok(
      items.length >= 2 && items.every(({ accounts }) => accounts?.every((one) => one === SAFE.account)),
    );
    const path = `/v1/webhooks/${everything.id}`;
    await s.json(path, { key: 'schoolAdmin' }, 404);
    await s.json(path, { key: 'schoolAdmin', method: 'DELETE' }, 404);
    await s.json(path, { key: 'schoolAdmin', method: 'PATCH', json: { description: 'x' } }, 404);
    await s.json(`${path}/deliveries`, { key: 'schoolRead' }, 404);
    for (const one of ['test', 'rotate-secret', 'enable', 'disable', 'deliveries/1/resend'])
      await act(`${everything.id}/${one}`, 'schoolAdmin', 404);
    const shared = await create({ url, accounts: ['shop', 'school'] });
    await s.context.database.query(
      `INSERT INTO wma.webhook_delivery (endpoint, position, event, type, at, account, state, due_at, created_at)
       SELECT $1, 1, gen_random_uuid(), 'media.dead', now(), account, 'delivered', NULL, now() FROM unnest($2::text[]) AS account`,
      [shared.id, [PLAIN.account, SAFE.account]],
    );
    const narrowed = { method: 'PATCH', key: 'admin', json: { accounts: ['school'] } } as const;
    await s.json(`/v1/webhooks/${shared.id}`, narrowed);
    const seen = await s.json<{ items: { event: { account: string } }[] }>(
      `/v1/webhooks/${shared.id}/deliveries`,
      { key: 'schoolRead' },
    );
    assert.deepEqual(
      seen.items.map(({ event }) => event.account),
      [SAFE.account],
    );
    const widened = { method: 'PATCH', key: 'schoolAdmin', json: { accounts: null } } as const;
    assert.deepEqual((await s.json<Endpoint>(`/v1/webhooks/${mine.id}`, widened)).accounts, [SAFE.account]);
  });

  it('a test says what became of it, and a rotation gives a new secret', async () => {
    const created = await create({ url: receiver.url });
    secret = created.secret!;
    const tested = await act<{ delivered: boolean; status: number }>(`${created.id}/test`);
    assert.deepEqual([tested.delivered, tested.status], [true, 204]);
    assert.equal(receiver.received.at(-1)!.event.type, 'webhook.test');
    const rotated = await act(`${created.id}/rotate-secret`);
    assert.notEqual(rotated.secret, created.secret);
    for (const one of [created.secret!, rotated.secret!]) {
      secret = one;
      await act(`${created.id}/test`);
      assert.ok(receiver.received.at(-1)!.isVerified);
    }
    receiver.respondWith((response) => void response.writeHead(500).end());
    const failed = await act<{ delivered: boolean; reason: string; message: string }>(`${created.id}/test`);
    receiver.respondWith(ok);
    assert.deepEqual([failed.delivered, failed.reason], [false, 'status']);
    assert.match(failed.message, /status/);
  });

  it('an archived item is delivered as the API shows it; deliveries are listed in pages, sent again and replayed', async () => {
    const created = await create({
      url: `${receiver.url}&own=1`,
      accounts: [PLAIN.account],
      types: ['media.dead'],
    });
    secret = created.secret!;
    const from = new Date(Date.now() - 1_000).toISOString();
    startWebhooks(s.context);
    const ids = [
      await s.createDead(reference()),
      await s.createDead(reference()),
      await s.createDead(reference()),
    ];
    const all = await untilDeliveries(
      created.id,
      (items) => items.length === 3 && items.every((one) => one.state === 'delivered'),
    );
    assert.deepEqual(new Set(all.map(({ event }) => event.media)), new Set(ids));
    // Endpoints of other tests get these events too.
    const own = () => receiver.received.filter(({ path }) => path.endsWith('own=1'));
    const sent = own().filter(({ event }) => event.data.id === ids[0]);
    assert.deepEqual(sent.at(-1)!.event.data, await s.json(`/v1/media/${ids[0]}`, { key: 'read' }));
    assert.ok(sent.every(({ isVerified }) => isVerified));

    type Page = { items: Delivery[]; nextCursor: string | null };
    const path = `/v1/webhooks/${created.id}/deliveries`;
    const first = await s.json<Page>(`${path}?limit=2&state=delivered`, { key: 'read' });
    const second = await s.json<Page>(`${path}?limit=2&cursor=${first.nextCursor}`, { key: 'read' });
    assert.deepEqual(
      [...first.items, ...second.items].map(({ id }) => id),
      all.map(({ id }) => id),
    );
    assert.equal(second.nextCursor, null);
    assert.equal((await s.json(`${path}?cursor=x`, { key: 'read' }, 400)).code, 'invalid_cursor');
    await s.json(`${path}?state=gone`, { key: 'read' }, 400);

    await act(`${created.id}/deliveries/${all[0]!.id}/resend`, 'admin', 202);
    await untilDeliveries(created.id, (items) => items.every(({ state }) => state === 'delivered'));
    const repeated = own().filter(({ id }) => id === all[0]!.event.id);
    assert.equal(repeated.length, 2);
    await act(`${created.id}/deliveries/999999/resend`, 'admin', 404);

    const replayed = await act<{ made: number }>(`${created.id}/replay`, 'admin', 202, { from });
    assert.equal(replayed.made, 3);
    const six = await untilDeliveries(created.id, (items) =>
      items.every(({ state }) => state === 'delivered'),
    );
    assert.equal(six.length, 6);
    await act(`${created.id}/replay`, 'admin', 400, { from, to: from });
    await act(`${created.id}/replay`, 'admin', 400, { from: '2020-01-01T00:00:00Z' });
    const { items } = await s.json<{ items: { action: string }[] }>(`/v1/audit-log?target=${created.id}`, {
      key: 'read',
    });
    assert.deepEqual(
      items.map(({ action }) => action),
      ['webhook.replay', 'webhook.resend', 'webhook.create'],
    );
  });

  it('a disabled endpoint says why, and goes on where it was when it is enabled', async () => {
    const created = await create({ url: receiver.url, types: ['media.dead'] });
    secret = created.secret!;
    const disabled = await act(`${created.id}/disable`);
    assert.deepEqual([disabled.state, disabled.disabled?.reason], ['disabled', 'by_hand']);
    const id = await s.createDead(reference());
    const enabled = await act(`${created.id}/enable`);
    assert.equal(enabled.state, 'active');
    const all = await untilDeliveries(created.id, (items) => items.length > 0);
    assert.equal(all[0]!.event.media, id);
    await s.call(`/v1/webhooks/${created.id}`, { method: 'DELETE', key: 'admin' });
    await s.json(`/v1/webhooks/${created.id}`, { key: 'read' }, 404);
  });

  it('the endpoint of WEBHOOK_URL exists, and the API changes neither its address nor its secret', async () => {
    const configured = await get('configured', 'admin');
    assert.equal(configured.isConfigured, true);
    assert.match(configured.url, /^https:\/\/configured\.example\.com/);
    const change = { method: 'PATCH', key: 'admin', json: { url: receiver.url } } as const;
    assert.equal((await s.json('/v1/webhooks/configured', change, 409)).code, 'webhook_configured');
    await s.json('/v1/webhooks/configured', { method: 'DELETE', key: 'admin' }, 409);
    await act('configured/rotate-secret', 'admin', 409);
    assert.equal((await act('configured/disable')).state, 'disabled');
    assert.equal((await act('configured/enable')).state, 'active');
  });
});
