/** Webhooks to real receivers, with faults on request. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import type { Delivery } from '../../../src/catalogue/webhooks/delivery-row.ts';
import { RETRY_DELAYS_MS } from '../../../src/pipeline/webhooks/retry-policy.ts';
import { createSecret } from '../../../src/signing-secret.ts';
import { backends, SCHEMA, setup } from '../../catalogue/backends.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { isAccepted, ok, openWebhookReceiver, type Respond } from './receivers.ts';
import { createEndpoint, happen, startSending } from './sending.ts';

const status =
  (code: number, headers: Record<string, string> = {}): Respond =>
  (response) =>
    void response.writeHead(code, headers).end('private words of the receiver');
const never: Respond = () => undefined;

for (const backend of backends) {
  describe(`sending webhooks on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());
    beforeEach(async () => {
      await database.query(`TRUNCATE ${SCHEMA}.webhook_endpoint, ${SCHEMA}.webhook_delivery`);
    });

    const list = (id: string) => catalogue.webhooks.deliveries.list(id, { limit: 200 }, new Date());
    async function untilAll(
      id: string,
      condition: (one: Delivery) => boolean,
      count: number,
    ): Promise<Delivery[]> {
      const deadline = performance.now() + 20_000;
      for (;;) {
        const all = await list(id);
        if (all.length >= count && all.every(condition)) return all;
        assert.ok(performance.now() < deadline, JSON.stringify(all.slice(0, 3)));
        await wait(20);
      }
    }
    /** Sends one event to a receiver that responds so; resolves with the delivery after its first attempt. */
    async function attemptOf(
      t: Parameters<typeof openWebhookReceiver>[0],
      respond: Respond,
      timeoutMs = 5_000,
    ) {
      let secret = '';
      const receiver = await openWebhookReceiver(t, () => secret, respond);
      const endpoint = await createEndpoint(catalogue, receiver.url);
      secret = endpoint.secret;
      const sending = startSending(t, database, { timeoutMs });
      await happen(catalogue, database, 1);
      const [delivery] = await untilAll(endpoint.id, (one) => one.attempts === 1, 1);
      return { delivery: delivery!, receiver, endpoint, sending };
    }

    it('every event arrives with a signature that the foreign package accepts, and the item as it is', async (t) => {
      let secret = '';
      const receiver = await openWebhookReceiver(t, () => secret);
      const endpoint = await createEndpoint(catalogue, receiver.url);
      secret = endpoint.secret;
      startSending(t, database);
      const ids = await happen(catalogue, database, 60);
      await receiver.until(() => receiver.received.length >= 60);
      assert.ok(receiver.received.every(({ isVerified }) => isVerified));
      const sorted = [...receiver.received].sort((a, b) => a.event.sequence - b.event.sequence);
      assert.deepEqual(
        sorted.map(({ event }) => event.data.id),
        ids,
      );
      assert.ok(receiver.received.every(({ id, event }) => id === event.id && /^evt_[0-9a-f]{32}$/.test(id)));
      const all = await untilAll(endpoint.id, ({ state }) => state === 'delivered', 60);
      assert.ok(all.every((one) => one.status === 204 && one.attempts === 1));
    });

    it('the foreign package refuses a body that was changed and a signature of another secret', async (t) => {
      const { receiver, endpoint } = await attemptOf(t, ok);
      const [one] = receiver.received;
      const { body, headers } = one!;
      assert.equal(one!.isVerified, true);
      assert.equal(isAccepted(endpoint.secret, `${body} `, headers), false);
      assert.equal(isAccepted(`whsec_${Buffer.alloc(32).toString('base64')}`, body, headers), false);
    });

    it('a status that is an error is tried again until it is accepted', async (t) => {
      let secret = '';
      const receiver = await openWebhookReceiver(t, () => secret, status(503));
      const endpoint = await createEndpoint(catalogue, receiver.url);
      secret = endpoint.secret;
      const sending = startSending(t, database, { timeScale: 5_000, everyMs: 20 });
      await happen(catalogue, database, 1);
      await receiver.until(() => receiver.received.length === 2);
      receiver.respondWith(ok);
      const [delivery] = await untilAll(endpoint.id, ({ state }) => state === 'delivered', 1);
      assert.equal(delivery!.attempts, receiver.received.length);
      assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 1, 'the id stays the same');
      const counted = await sending.metrics.webhookDeliveries.get();
      const countOf = (outcome: string) =>
        counted.values.find(({ labels }) => labels.outcome === outcome)?.value;
      assert.deepEqual([countOf('success'), countOf('retry')], [1, receiver.received.length - 1]);
    });

    it('after the last attempt a delivery has failed, and its endpoint is reported as failing', async (t) => {
      let secret = '';
      const receiver = await openWebhookReceiver(t, () => secret, status(500));
      const endpoint = await createEndpoint(catalogue, receiver.url);
      secret = endpoint.secret;
      await happen(catalogue, database, 1);
      await catalogue.events.sequence();
      await catalogue.webhooks.fanOut(new Date());
      await database.query(`UPDATE ${SCHEMA}.webhook_delivery SET attempts = $1`, [RETRY_DELAYS_MS.length]);
      startSending(t, database);
      const [delivery] = await untilAll(endpoint.id, ({ state }) => state === 'failed', 1);
      assert.deepEqual(
        [delivery!.attempts, delivery!.reason, delivery!.status],
        [RETRY_DELAYS_MS.length + 1, 'status', 500],
      );
      assert.ok((await catalogue.webhooks.endpoints.get(endpoint.id))!.failingSince);
    });

    it('a response keeps its status and a reason, and nothing of its body', async (t) => {
      const { delivery, sending } = await attemptOf(t, status(422));
      assert.deepEqual([delivery.state, delivery.reason, delivery.status], ['pending', 'status', 422]);
      const rows = JSON.stringify([
        await database.query(`SELECT to_jsonb(d) AS row FROM ${SCHEMA}.webhook_delivery d`),
        await database.query(`SELECT to_jsonb(e) AS row FROM ${SCHEMA}.webhook_endpoint e`),
      ]);
      assert.ok(!rows.includes('private words'));
      const log = JSON.stringify(sending.lines);
      assert.ok(log.includes('webhooks: delivery failed'));
      assert.ok(!log.includes('not-for-logs') && !log.includes('private words'));
    });

    it('Retry-After is heeded where it is longer, up to an hour', async (t) => {
      const { delivery } = await attemptOf(t, status(429, { 'retry-after': '600' }));
      const waitMs = delivery.dueAt!.getTime() - delivery.attemptedAt!.getTime();
      assert.ok(waitMs >= 600_000 && waitMs < 620_000, `${waitMs}`);
      const { delivery: longer } = await attemptOf(t, status(503, { 'retry-after': '999999' }));
      const cutMs = longer.dueAt!.getTime() - longer.attemptedAt!.getTime();
      assert.ok(cutMs >= 3_600_000 && cutMs < 3_620_000, `${cutMs}`);
    });

    it('410 disables the endpoint, and its other deliveries wait', async (t) => {
      const { endpoint, sending } = await attemptOf(t, status(410));
      const deadline = performance.now() + 5_000;
      let disabled: string | undefined;
      while (!disabled && performance.now() < deadline) {
        disabled = (await catalogue.webhooks.endpoints.get(endpoint.id))!.disabled?.reason;
        await wait(20);
      }
      assert.equal(disabled, 'gone');
      assert.deepEqual(await catalogue.webhooks.due(new Date(Date.now() + 3_600_000)), []);
      assert.ok(sending.lines.some(({ message }) => message === 'webhooks: endpoint disabled'));
    });

    it('a redirect is not followed', async (t) => {
      const other = await openWebhookReceiver(t, () => '');
      const { delivery } = await attemptOf(t, status(307, { location: other.url }));
      assert.deepEqual([delivery.reason, delivery.status], ['redirect', 307]);
      assert.equal(other.received.length, 0);
    });

    it('a 200 after the timeout is a failure and says so, and so is one whose body has no end', async (t) => {
      const late: Respond = (response) => void setTimeout(() => response.writeHead(200).end(), 1_500);
      assert.equal((await attemptOf(t, late, 200)).delivery.reason, 'timeout');
      const endless: Respond = (response) => void response.writeHead(200).write('x');
      assert.equal((await attemptOf(t, endless, 200)).delivery.reason, 'timeout');
      assert.equal((await attemptOf(t, never, 200)).delivery.reason, 'timeout');
    });

    it('of a body of ten megabytes only the beginning is read, and the delivery counts', async (t) => {
      let sentBytes = 0;
      const large: Respond = (response) => {
        response.writeHead(200, { 'content-length': String(10 * 2 ** 20) });
        const chunk = Buffer.alloc(64 * 1024);
        const more = () => {
          while (!response.destroyed && sentBytes < 10 * 2 ** 20) {
            sentBytes += chunk.length;
            if (!response.write(chunk)) return void response.once('drain', more);
          }
        };
        more();
      };
      const { delivery } = await attemptOf(t, large);
      assert.equal(delivery.state, 'delivered');
      assert.ok(sentBytes < 8 * 2 ** 20, `${sentBytes}`);
    });

    it('a connection that is cut, refused, or not HTTP has its reason', async (t) => {
      const cut: Respond = (_response, request) => void request.socket.destroy();
      assert.equal((await attemptOf(t, cut)).delivery.reason, 'reset');
      const garbage: Respond = (_response, request) => void request.socket.end('SSH-2.0-OpenSSH\r\n\r\n');
      assert.equal((await attemptOf(t, garbage)).delivery.reason, 'malformed');
      const { id } = await createEndpoint(catalogue, 'http://127.0.0.1:1/');
      startSending(t, database);
      await happen(catalogue, database, 1);
      const [refused] = await untilAll(id, ({ attempts }) => attempts === 1, 1);
      assert.equal(refused!.reason, 'refused');
    });

    it('an endpoint that never responds delays no other, and gets at most eight requests at once of two processes', async (t) => {
      let secret = '';
      const dead = await openWebhookReceiver(t, () => secret, never);
      const healthy = await openWebhookReceiver(t, () => secret);
      const { id: deadId } = await createEndpoint(catalogue, dead.url);
      ({ secret } = await createEndpoint(catalogue, healthy.url));
      // No place is left for the healthy one but its own.
      const options = { timeoutMs: 60_000, leaseMs: 60_000, sharedPlaces: 2, everyMs: 20 };
      startSending(t, database, options);
      startSending(t, database, options);
      await happen(catalogue, database, 100);
      await healthy.until(() => healthy.received.length >= 100);
      assert.ok(
        (await list(deadId)).every(({ attempts }) => attempts === 0),
        'no request to the dead one has ended',
      );
      assert.ok(dead.received.length >= 1 && dead.received.length <= 8, `${dead.received.length}`);
    });

    it('after a rotation both secrets verify, and only the new one when the time of the old is over', async (t) => {
      let secret = '';
      const receiver = await openWebhookReceiver(t, () => secret);
      const endpoint = await createEndpoint(catalogue, receiver.url);
      secret = endpoint.secret;
      const sending = startSending(t, database);
      const act = { by: 'test', now: new Date() };
      const next = createSecret();
      const verifiedBy = (index: number) =>
        [secret, next].map((one) => {
          const { body, headers } = receiver.received[index]!;
          return isAccepted(one, body, headers);
        });
      const rotate = (until: Date) =>
        catalogue.webhooks.endpoints.rotate(endpoint.id, sending.secrets.encrypt(next), until, act);
      await rotate(new Date(Date.now() + 60_000));
      await happen(catalogue, database, 1);
      await receiver.until(() => receiver.received.length === 1);
      assert.deepEqual(verifiedBy(0), [true, true]);
      await database.query(`UPDATE ${SCHEMA}.webhook_endpoint SET previous_secret_until = now()`);
      await happen(catalogue, database, 1);
      await receiver.until(() => receiver.received.length === 2);
      assert.deepEqual(verifiedBy(1), [false, true]);
    });

    it('a secret that cannot be decrypted fails with this reason, and nothing is sent', async (t) => {
      const receiver = await openWebhookReceiver(t, () => '');
      const { id } = await createEndpoint(catalogue, receiver.url, { secret: { 'webhook store': 'v1.x' } });
      startSending(t, database);
      await happen(catalogue, database, 1);
      const [delivery] = await untilAll(id, ({ attempts }) => attempts === 1, 1);
      assert.equal(delivery!.reason, 'secret_unreadable');
      assert.equal(receiver.received.length, 0);
    });
  });
}
