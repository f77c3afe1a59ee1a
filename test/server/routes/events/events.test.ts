/** GET /v1/events: pages, long polls and streams of what happened. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { encodeFeedCursor } from '../../../../src/catalogue/events/cursor.ts';
import { EVENT_TYPES } from '../../../../src/event.ts';
import { LISTENER_LIMITS } from '../../../../src/runtime/network/server-limits.ts';
import { eventSchema } from '../../../../src/server/routes/events/event-schema.ts';
import { eventually } from '../../../queue/handled.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

interface EventBody {
  id: string;
  type: string;
  at: string;
  account: string | null;
  sequence: number;
  data: Record<string, unknown>;
}
interface Page {
  items: EventBody[];
  nextCursor: string;
}
type Key = keyof typeof KEYS;

describe('the feed of events', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const pathOf = (query: Record<string, string | string[]>) => {
    const parameters = Object.entries(query).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, one]),
    );
    return `/v1/events?${new URLSearchParams(parameters)}`;
  };
  async function read(query: Record<string, string | string[]> = {}, key: Key = 'read'): Promise<Page> {
    const page = await s.json<Page>(pathOf(query), { key });
    for (const event of page.items) eventSchema.parse(event);
    return page;
  }
  /** The end of the feed, with the events of the tests before. */
  const end = async () => {
    while ((await s.context.catalogue.events.sequence()).hasMore);
    return (await read({ after: 'now' })).nextCursor;
  };
  let serial = 0;
  const dead = (account: string) => s.createDead(reference({ account, mediaId: `feed-${serial++}` }));
  const hold = (account: string) =>
    s.call(`/v1/accounts/${account}/hold`, { method: 'PUT', key: 'admin', json: { reason: 'test' } });
  const release = (account: string) =>
    s.call(`/v1/accounts/${account}/hold`, { method: 'DELETE', key: 'admin' });

  it('lists events oldest first, with the item as it is now', async () => {
    const from = await end();
    const id = await dead(PLAIN.account);
    await hold(SAFE.account);
    await release(SAFE.account);
    await s.call(`/v1/media/${id}`, { method: 'DELETE', key: 'admin', json: { reason: 'asked' } });
    const all: EventBody[] = [];
    let after = from;
    await eventually('four events', async () => {
      const page = await read({ after, wait: '1s' });
      all.push(...page.items);
      after = page.nextCursor;
      return all.length >= 4;
    });
    assert.deepEqual(
      all.map(({ type, account }) => [type, account]),
      [
        ['media.dead', PLAIN.account],
        ['account.held', SAFE.account],
        ['account.released', SAFE.account],
        ['media.erased', PLAIN.account],
      ],
    );
    const again = await read({ after: from });
    const { data } = again.items[0]!;
    assert.equal(data.status, 'erased', 'the event of an erased item leads to what is left of it');
    assert.deepEqual([data.mediaId, data.openId, data.failure], [undefined, undefined, undefined]);
    assert.deepEqual(
      again.items.map(({ sequence }) => sequence),
      again.items.map((_, index) => again.items[0]!.sequence + index),
    );
  });

  it('goes on from each cursor, page by page, and the last page leads on', async () => {
    const from = await end();
    const ids = [await dead(PLAIN.account), await dead(PLAIN.account), await dead(PLAIN.account)];
    await eventually('three events', async () => (await read({ after: from })).items.length === 3);
    const first = await read({ after: from, limit: '2' });
    const second = await read({ after: first.nextCursor, limit: '2' });
    assert.deepEqual(
      [...first.items, ...second.items].map(({ data }) => data.id),
      ids,
    );
    const last = await read({ after: second.nextCursor });
    assert.deepEqual([last.items, last.nextCursor], [[], second.nextCursor]);
  });

  it('filters by type and account', async () => {
    const from = await end();
    const id = await dead(SAFE.account);
    await dead(PLAIN.account);
    await hold(SAFE.account);
    await release(SAFE.account);
    await eventually('all events', async () => (await read({ after: from })).items.length === 4);
    const types = async (query: Record<string, string | string[]>) =>
      (await read({ after: from, ...query })).items.map(({ type }) => type);
    assert.deepEqual(await types({ account: 'school' }), ['media.dead', 'account.held', 'account.released']);
    assert.deepEqual(await types({ type: ['account.held', 'account.released'] }), [
      'account.held',
      'account.released',
    ]);
    const both = await read({ after: from, account: 'school', type: 'media.dead' });
    assert.deepEqual(
      both.items.map(({ data }) => data.id),
      [id],
    );
  });

  it('shows a key that is bound to accounts the events of these only, also while it waits', async () => {
    const from = await end();
    const waiting = read({ after: from, wait: '20s' }, 'schoolRead');
    await dead(PLAIN.account);
    const id = await dead(SAFE.account);
    const { items } = await waiting;
    assert.deepEqual(
      items.map(({ type, data }) => [type, data.id]),
      [['media.dead', id]],
    );
    const { storeHold } = s.context.catalogue;
    const why = { code: 'store_full', class: 'store' } as const;
    const [now, later] = [new Date(), new Date(Date.now() + 1_000)];
    await storeHold.takeProbe('p', now, later);
    await storeHold.probeFailed('p', now, why, now);
    await storeHold.takeProbe('p', later, new Date(Date.now() + 2_000));
    await storeHold.probeSucceeded('p', later, later);
    await eventually('all events', async () => (await read({ after: from })).items.length === 4);
    const all = await read({ after: from });
    assert.deepEqual(
      all.items.map(({ type, account }) => [type, account]),
      [
        ['media.dead', PLAIN.account],
        ['media.dead', SAFE.account],
        ['store.held', null],
        ['store.released', null],
      ],
    );
    assert.equal((await read({ after: from }, 'schoolRead')).items.length, 1);
    await s.json(pathOf({ account: PLAIN.account }), { key: 'schoolRead' }, 403);
  });

  it('a thousand clients that wait get an event, and cost a few queries', async () => {
    const after = await end();
    const waiting = Array.from({ length: 1_000 }, () =>
      read({ after, wait: '30s', type: 'media.dead' }, 'admin'),
    );
    const { eventReaders } = s.context.metrics;
    await eventually('all to wait', async () => (await eventReaders.get()).values[0]?.value === 1_000);
    let queries = 0;
    const { query } = s.context.database;
    s.context.database.query = (...given: Parameters<typeof query>) => {
      queries++;
      return query(...given) as never;
    };
    const id = await dead(PLAIN.account);
    const pages = await Promise.all(waiting);
    s.context.database.query = query;
    assert.ok(pages.every(({ items }) => items.length === 1 && items[0]?.data.id === id));
    assert.ok(queries < 200, `${queries} queries`);
  });

  it('answers without events when the wait is over, with a cursor', async () => {
    const after = await end();
    const page = await read({ after, wait: '300ms' });
    assert.deepEqual([page.items, page.nextCursor], [[], after]);
  });

  it('refuses what it does not understand, and says what it would', async () => {
    for (const [query, field] of [
      [{ wait: '31s' }, 'wait'],
      [{ wait: 'soon' }, 'wait'],
      [{ limit: '501' }, 'limit'],
      [{ type: 'media.stored' }, 'type'],
      [{ afer: 'x' }, 'afer'],
    ] as const) {
      const { errors } = await s.json<{ errors: { field: string }[] }>(pathOf(query), { key: 'read' }, 400);
      assert.deepEqual(
        errors.map((error) => error.field),
        [field],
      );
    }
    for (const after of [
      'x',
      'ZTEuMS4',
      `${await end()}=`,
      encodeFeedCursor({ position: 1, atMs: 1 }).slice(1),
    ]) {
      const { code } = await s.json(pathOf({ after }), { key: 'read' }, 400);
      assert.equal(code, 'invalid_cursor');
    }
    const { code } = await s.json(pathOf({ account: 'nobody' }), { key: 'schoolRead' }, 403);
    assert.equal(code, 'forbidden');
  });

  it('a cursor before what is kept gets 410 with the oldest cursor that works', async () => {
    const cursor = encodeFeedCursor({ position: 1, atMs: 0 });
    await dead(PLAIN.account);
    await end();
    await s.context.database.query('UPDATE wma.event_head SET expired = 2');
    const problem = await s.json(pathOf({ after: cursor }), { key: 'read' }, 410);
    assert.equal(problem.code, 'cursor_expired');
    const oldest = await read({ after: problem.oldestCursor as string, limit: '1' });
    assert.equal(oldest.items[0]?.sequence, 3);
    assert.equal((await read({ limit: '1' })).items[0]?.sequence, 3);
    await s.context.database.query('UPDATE wma.event_head SET expired = 0');
  });

  describe('as a stream', () => {
    async function openStream(
      query: Record<string, string>,
      headers: Record<string, string> = {},
      key: Key = 'read',
    ) {
      const abort = new AbortController();
      const response = await fetch(s.url + pathOf(query), {
        headers: { authorization: `Bearer ${KEYS[key]}`, accept: 'text/event-stream', ...headers },
        signal: abort.signal,
      });
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
      assert.equal(response.headers.get('x-accel-buffering'), 'no');
      let text = '';
      const ended = (async () => {
        for await (const chunk of response.body!) text += Buffer.from(chunk).toString();
      })().catch(() => undefined);
      return {
        messages: () =>
          text
            .split('\n\n')
            .filter((message) => message.includes('data: '))
            .map((message) => ({
              id: /^id: (.*)$/m.exec(message)?.[1] as string,
              type: /^event: (.*)$/m.exec(message)?.[1],
              event: JSON.parse(/^data: (.*)$/m.exec(message)![1]!) as EventBody,
            })),
        text: () => text,
        ended,
        close: () => abort.abort(),
      };
    }

    it('sends what was there and what comes, each with a cursor that resumes it', async () => {
      const after = await end();
      const first = await dead(PLAIN.account);
      const stream = await openStream({ after });
      const ids = [first];
      // An event of the test before may get its position only now.
      const ours = () => stream.messages().filter(({ event }) => ids.includes(event.data.id as string));
      await eventually('the first', async () => ours().length === 1);
      const second = await dead(SAFE.account);
      ids.push(second);
      await eventually('the second', async () => ours().length === 2);
      stream.close();
      const messages = ours();
      assert.deepEqual(
        messages.map(({ type, event }) => [type, event.data.id]),
        [
          ['media.dead', first],
          ['media.dead', second],
        ],
      );
      eventSchema.parse(messages[0]!.event);
      const resumed = await openStream({}, { 'last-event-id': messages[0]!.id });
      await eventually('the second again', async () => resumed.messages().length === 1);
      assert.equal(resumed.messages()[0]!.event.data.id, second);
      resumed.close();
    });

    it('gives a bound key its own events only, and moves its cursor past the others', async () => {
      const after = await end();
      const stream = await openStream({ after }, {}, 'schoolRead');
      await dead(PLAIN.account);
      const id = await dead(SAFE.account);
      await eventually('one event', async () => stream.messages().length === 1);
      assert.equal(stream.messages()[0]!.event.data.id, id);
      assert.ok(!stream.text().includes(PLAIN.account));
      stream.close();
    });

    it('refuses a broken Last-Event-ID, and a key without rights', async () => {
      const headers = { accept: 'text/event-stream' };
      const broken = await s.call('/v1/events', {
        key: 'read',
        headers: { ...headers, 'last-event-id': 'x' },
      });
      assert.equal(broken.status, 400);
      assert.equal((await s.call('/v1/events', { headers })).status, 401);
    });

    it('gives its place back when the client leaves', async () => {
      const { eventReaders } = s.context.metrics;
      const stream = await openStream({ after: 'now' });
      await eventually('it waits', async () => (await eventReaders.get()).values[0]?.value === 1);
      stream.close();
      await eventually('it has left', async () => (await eventReaders.get()).values[0]?.value === 0);
    });
  });

  it('every type of event is counted in the metrics that exist', async () => {
    const text = await (await s.call('/metrics', { key: 'admin' })).text();
    assert.match(text, /wma_events_total\{type="media\.dead"\} [1-9]/);
    for (const [, type] of text.matchAll(/wma_events_total\{type="([^"]*)"\}/g))
      assert.ok((EVENT_TYPES as readonly string[]).includes(type!), type);
  });

  it('a key may take half of the connections, all keys three quarters, and callbacks the rest', async () => {
    const own = await openTestServer({ limits: { ...LISTENER_LIMITS, connections: 16 } });
    const abort = new AbortController();
    const open = async (key: Key) => {
      const headers = { authorization: `Bearer ${KEYS[key]}`, accept: 'text/event-stream' };
      return (await fetch(`${own.url}/v1/events?after=now`, { headers, signal: abort.signal })).status;
    };
    const statuses: number[] = [];
    for (let index = 0; index < 9; index++) statuses.push(await open('read'));
    for (let index = 0; index < 5; index++) statuses.push(await open('schoolRead'));
    assert.deepEqual(statuses, [...Array(8).fill(200), 429, ...Array(4).fill(200), 429]);
    const message = '<xml><MsgType>text</MsgType><Content>x</Content></xml>';
    assert.equal((await own.callback(message)).status, 200);
    abort.abort();
    await own.close();
  });

  it('a shutdown ends streams and long polls', async () => {
    const own = await openTestServer();
    const headers = { authorization: `Bearer ${KEYS.read}` };
    const poll = fetch(`${own.url}/v1/events?after=now&wait=30s`, { headers });
    const stream = await fetch(`${own.url}/v1/events?after=now`, {
      headers: { ...headers, accept: 'text/event-stream' },
    });
    const text = stream.text();
    const { eventReaders } = own.context.metrics;
    await eventually('both wait', async () => (await eventReaders.get()).values[0]?.value === 2);
    await own.close();
    assert.deepEqual(((await (await poll).json()) as Page).items, []);
    assert.match(await text, /^retry: /);
  });
});
