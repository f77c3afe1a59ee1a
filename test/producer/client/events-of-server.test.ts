/** The event feed of the client, with the real server. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Client, createClient } from '../../../src/producer/client/client.ts';
import { ClientError } from '../../../src/producer/client/client-error.ts';
import type { ArchiverEvent } from '../../../src/producer/client/event.ts';
import type { EventOptions } from '../../../src/producer/client/events.ts';
import { createFeed } from '../../../src/producer/client/feed.ts';
import { readOptions } from '../../../src/producer/client/options.ts';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import { openCutter } from '../../machine/cutter.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../server/setup.ts';

const LIMIT_MS = 60_000;
const onRetry = () => {};

/** Returns the first event, and leaves the iteration. */
async function first(client: Client, options: EventOptions = {}): Promise<ArchiverEvent> {
  for await (const event of client.events({ signal: AbortSignal.timeout(LIMIT_MS), ...options }))
    return event;
  throw new Error('the iteration has no end');
}

describe('the events of a server', () => {
  let server: TestServer;
  let serial = 0;
  before(async () => {
    server = await openTestServer();
  });
  after(() => server.close());
  const clientOf = (key: keyof typeof KEYS, url = server.url): Client =>
    createClient({ url, key: KEYS[key] });
  const dead = (account = PLAIN.account) =>
    server.createDead(reference({ account, mediaId: `event-${serial++}` }));
  const hold = (method: 'PUT' | 'DELETE') =>
    server.call(`/v1/accounts/${SAFE.account}/hold`, {
      method,
      key: 'admin',
      ...(method === 'PUT' ? { json: { reason: 'a test' } } : {}),
    });

  test('arrive while the program waits, with the item as it is', async () => {
    const client = clientOf('read');
    const signal = AbortSignal.timeout(LIMIT_MS);
    const types = ['media.dead', 'account.held'] as const;
    const events = client.events({ after: 'now', types, signal });
    // The first call of next asks for the present cursor; an event before that would not be one that comes.
    const next = events.next();
    const { eventReaders } = server.context.metrics;
    while ((await eventReaders.get()).values[0]?.value !== 1)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const id = await dead();
    const { value: event } = await next;
    assert.ok(event?.type === 'media.dead');
    assert.match(event.id, /^evt_[0-9a-f]{32}$/);
    assert.deepEqual([event.account, event.data.id, event.data.status], [PLAIN.account, id, 'dead']);
    assert.deepEqual(event.data, await client.get(id));
    await hold('PUT');
    const { value: held } = await events.next();
    await hold('DELETE');
    assert.ok(held?.type === 'account.held');
    assert.equal(held.data.hold?.reason, 'a test');
    await events.return();
    assert.equal((await first(client, { after: event.cursor })).id, held.id);
  });

  test('of other accounts do not reach a key that is bound to one', async () => {
    const signal = AbortSignal.timeout(LIMIT_MS);
    await dead();
    const id = await dead(SAFE.account);
    for await (const event of clientOf('schoolRead').events({ types: ['media.dead'], signal })) {
      assert.equal(event.account, SAFE.account);
      if (event.type === 'media.dead' && event.data.id === id) break;
    }
    await assert.rejects(
      clientOf('schoolRead')
        .events({ accounts: [PLAIN.account] })
        .next(),
      { code: 'forbidden' },
    );
  });

  test('all arrive once and in order through connections that are cut again and again', async (t) => {
    const cutter = await openCutter(server.url, createRandom(12), 6);
    t.after(() => cutter.close());
    const client = clientOf('read', cutter.url);
    const from = await first(clientOf('read'));
    const count = 60;
    const expected: string[] = [];
    const creating = (async () => {
      for (let made = 0; made < count; made++) expected.push(await dead());
    })();
    const found: ArchiverEvent[] = [];
    const signal = AbortSignal.timeout(LIMIT_MS);
    const wanted = new Set<string>();
    for await (const event of client.events({ after: from.cursor, onRetry, signal })) {
      found.push(event);
      if (event.type === 'media.dead') wanted.add(event.data.id);
      if (found.length % 20 === 0) await creating;
      if (expected.length === count && expected.every((id) => wanted.has(id))) break;
    }
    await creating;
    assert.deepEqual(
      found.map(({ sequence }) => sequence),
      found.map((_, index) => from.sequence + 1 + index),
    );
    assert.ok(cutter.resets() > 3, `${cutter.resets()} resets`);
  });

  test('come by long poll too, page by page', async () => {
    const feed = createFeed(readOptions({ url: server.url, key: KEYS.read }), { type: ['media.dead'] });
    const signal = AbortSignal.timeout(LIMIT_MS);
    const read = async (after: string | undefined) => {
      const steps = [];
      for await (const step of feed.page(after, signal)) steps.push(step);
      return steps;
    };
    const [one, end] = await read(undefined);
    assert.equal(one?.event?.id, (await first(clientOf('read'), { types: ['media.dead'] })).id);
    const rest = await read(end?.cursor);
    assert.ok(rest.length > 10);
    const last = rest.at(-1)!.cursor;
    const waiting = read(last);
    const id = await dead();
    const [come] = await waiting;
    assert.ok(come?.event?.type === 'media.dead');
    assert.equal(come.event.data.id, id);
  });

  test('that were dropped before they were read are an error', async () => {
    const oldest = await first(clientOf('read'));
    await server.context.database.query('UPDATE wma.event_head SET expired = 2');
    await assert.rejects(first(clientOf('read'), { after: oldest.cursor }), (error) => {
      assert.ok(error instanceof ClientError);
      assert.deepEqual([error.code, error.status], ['cursor_expired', 410]);
      return true;
    });
    await server.context.database.query('UPDATE wma.event_head SET expired = 0');
    await assert.rejects(first(clientOf('read'), { after: 'x' }), { code: 'invalid_cursor' });
  });
});
