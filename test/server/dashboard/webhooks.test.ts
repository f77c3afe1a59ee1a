/** The pages of webhooks, without scripts: every form, what it asks, and what it shows. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCleanup } from '../../machine/cleanup.ts';
import { openWebhookReceiver } from '../../pipeline/webhooks/receivers.ts';
import { openTestServer, PLAIN, reference, type TestServer } from '../setup.ts';

describe('the pages of webhooks', () => {
  let s: TestServer;
  let receiver: Awaited<ReturnType<typeof openWebhookReceiver>>;
  let secret = `whsec_${Buffer.alloc(32).toString('base64')}`;
  const cleanup = createCleanup();
  before(async () => {
    receiver = await openWebhookReceiver(cleanup.hooks, () => secret);
    s = await openTestServer({ environment: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1' } });
    cleanup.hooks.after(() => s.close());
  });
  after(() => cleanup.run());

  const get = async (path: string, language = 'en') => {
    const response = await s.call(path, { key: 'admin', headers: { 'accept-language': language } });
    return { status: response.status, text: await response.text() };
  };
  const submit = async (path: string, fields: readonly (readonly [string, string])[] = []) => {
    const response = await s.call(path, {
      key: 'admin',
      body: new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value])).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    return {
      status: response.status,
      location: response.headers.get('location'),
      text: await response.text(),
    };
  };

  it('an endpoint is created, tested, changed, rotated, disabled, enabled and deleted', async () => {
    assert.match((await get('/webhooks', 'zh')).text, /没有 webhook 接收地址/);
    const wrong = await submit('/webhooks', [
      ['url', 'https://10.0.0.1/hook'],
      ['types', 'media.dead'],
    ]);
    assert.equal(wrong.status, 400);
    assert.match(wrong.text, /must be a public address/);
    assert.match(wrong.text, /value="https:\/\/10\.0\.0\.1\/hook"/, 'what was typed is kept');
    assert.match(wrong.text, /value="media\.dead" checked/);

    const created = await submit('/webhooks', [
      ['url', receiver.url],
      ['description', 'the shop'],
      ['types', 'media.dead'],
      ['types', 'media.archived'],
      ['accounts', PLAIN.account],
    ]);
    secret = /whsec_[A-Za-z0-9+/]+=*/.exec(created.text)![0];
    const [path] = /\/webhooks\/whe_[0-9a-f]{24}/.exec(created.text)!;
    const shown = await get(path);
    assert.match(shown.text, /the shop/);
    assert.ok(!shown.text.includes('whsec_'));

    const tested = await submit(`${path}/test`);
    assert.deepEqual([tested.status, tested.location], [303, path]);
    assert.ok(receiver.received.at(-1)!.isVerified);
    receiver.respondWith((response) => void response.writeHead(503).end());
    assert.match((await submit(`${path}/test`)).text, /503.*status other than 2xx/s);

    const changed = await submit(`${path}/change`, [
      ['url', receiver.url],
      ['description', ''],
    ]);
    assert.equal(changed.location, path);
    const endpoint = await s.json<Record<string, unknown>>(`/v1${path}`, { key: 'read' });
    assert.deepEqual([endpoint.types, endpoint.accounts, endpoint.description], [null, null, undefined]);

    assert.notEqual(/whsec_[A-Za-z0-9+/]+=*/.exec((await submit(`${path}/rotate`)).text)![0], secret);
    await submit(`${path}/disable`);
    assert.match((await get(path)).text, /disabled by hand/);
    await submit(`${path}/enable`);
    assert.doesNotMatch((await get(path)).text, /disabled by hand/);

    assert.match((await get(`${path}/delete`)).text, /Delete this endpoint\?/);
    assert.equal((await submit(`${path}/delete`)).location, '/webhooks');
    assert.equal((await get(path)).status, 404);
  });

  it('deliveries are listed by state, sent again and replayed', async () => {
    const { id } = await s.json<{ id: string }>(
      '/v1/webhooks',
      { key: 'admin', json: { url: receiver.url } },
      201,
    );
    const item = await s.createDead(reference());
    while ((await s.context.catalogue.events.sequence()).hasMore);
    await s.context.catalogue.webhooks.fanOut(s.context.clock.now());
    const path = `/webhooks/${id}`;
    assert.ok((await get(`${path}?state=pending`)).text.includes(item));
    assert.match((await get(`${path}?state=failed`)).text, /There are no such deliveries/);
    const { items } = await s.json<{ items: { id: number }[] }>(`/v1${path}/deliveries`, { key: 'read' });
    const resent = await submit(`${path}/resend`, [['delivery', String(items[0]!.id)]]);
    assert.equal(resent.location, `${path}#deliveries`);
    assert.equal((await submit(`${path}/resend`, [['delivery', '999999']])).status, 404);
    assert.equal((await submit(`${path}/replay`, [['hours', '1']])).location, `${path}#deliveries`);
    const after = await s.json<{ items: unknown[] }>(`/v1${path}/deliveries`, { key: 'read' });
    assert.ok(after.items.length > items.length);
  });
});
