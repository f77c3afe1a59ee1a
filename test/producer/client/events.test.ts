/** The event feed of the client, against a server that breaks off in every way. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type Client, createClient } from '../../../src/producer/client/client.ts';
import { ClientError } from '../../../src/producer/client/client-error.ts';
import type { ArchiverEvent } from '../../../src/producer/client/event.ts';
import type { EventOptions } from '../../../src/producer/client/events.ts';
import { type FeedServer, KEY, openFeedServer } from './feed-server.ts';

const LIMIT_MS = 20_000;
const quiet = () => {};
const clientOf = ({ url }: FeedServer): Client => createClient({ url, key: KEY, retries: 0 });
const upTo = (count: number, from = 1) => Array.from({ length: count }, (_, index) => from + index);

/** Reads `count` events, then leaves the iteration. */
async function take(client: Client, count: number, options: EventOptions = {}): Promise<ArchiverEvent[]> {
  const found: ArchiverEvent[] = [];
  const signal = AbortSignal.timeout(LIMIT_MS);
  for await (const event of client.events({ onRetry: quiet, signal, ...options })) {
    found.push(event);
    if (found.length === count) break;
  }
  return found;
}
const sequences = (events: readonly ArchiverEvent[]) => events.map(({ sequence }) => sequence);

for (const [what, faults] of Object.entries({
  'a connection that ends without a response': [{ kind: 'reset' }],
  'a stream that is cut inside an event': [{ kind: 'cut', events: 3 }],
  'a stream that is cut inside its first event, several times': [
    { kind: 'cut', events: 0 },
    { kind: 'cut', events: 0 },
    { kind: 'cut', events: 1 },
  ],
  'a stream that ends properly': [{ kind: 'end', events: 4 }],
  'events that arrive twice': [{ kind: 'duplicate' }],
  'bytes that arrive one by one': [{ kind: 'bytes' }],
  'a server that is overloaded': [{ kind: 'refuse', status: 503, headers: { 'retry-after': '0' } }],
  'too many streams of the key': [{ kind: 'refuse', status: 429, headers: { 'retry-after': '0' } }],
  'the page of a proxy without its server': [{ kind: 'refuse', status: 502, body: '<h1>Bad Gateway</h1>' }],
  'a half-open connection': [{ kind: 'half-open', events: 2 }],
  'one fault after another': [
    { kind: 'cut', events: 1 },
    { kind: 'reset' },
    { kind: 'end', events: 2 },
    { kind: 'half-open', events: 1 },
    { kind: 'refuse', status: 503, headers: { 'retry-after': '0' } },
    { kind: 'duplicate' },
  ],
} satisfies Record<string, Parameters<FeedServer['fail']>>)) {
  test(`no event is lost, repeated or moved by ${what}`, async (t) => {
    const server = await openFeedServer(t, 12);
    server.fail(...faults);
    const events = await take(clientOf(server), 12, { idleTimeoutMs: 200 });
    assert.deepEqual(sequences(events), upTo(12));
    assert.equal((events[0] as { data: { fileName?: string } }).data.fileName, '图片.jpg');
  });
}

test('events go on after the server was away', async (t) => {
  const server = await openFeedServer(t, 3);
  const retries: ClientError[] = [];
  const events = clientOf(server).events({ onRetry: (error) => retries.push(error) });
  for (const expected of [1, 2, 3]) assert.equal((await events.next()).value?.sequence, expected);
  const next = events.next();
  await server.stop();
  while (!retries.some(({ message }) => message.includes('ECONNREFUSED')))
    await new Promise((resolve) => setTimeout(resolve, 10));
  server.publish(2);
  await server.start();
  assert.equal((await next).value?.sequence, 4);
  assert.equal((await events.next()).value?.sequence, 5);
  await events.return();
});

test('a program that stores the cursor of an event goes on behind it', async (t) => {
  const server = await openFeedServer(t, 9);
  const [, , third] = await take(clientOf(server), 3);
  assert.deepEqual(sequences(await take(clientOf(server), 6, { after: third?.cursor })), upTo(6, 4));
});

test('events that happen while a stream from now is broken off are not skipped', async (t) => {
  const server = await openFeedServer(t, 5);
  server.fail({ kind: 'end', events: 0 });
  const found = take(clientOf(server), 2, { after: 'now', onRetry: () => server.publish(2) });
  assert.deepEqual(sequences(await found), [6, 7]);
  // Only the first request, which asks for a cursor, contains the word.
  assert.deepEqual(
    server.requests.map((query) => query.get('after')),
    ['now', 'cursor-5', 'cursor-5'],
  );
});

test('a message without an event moves the cursor', async (t) => {
  const server = await openFeedServer(t, 5);
  server.fail({ kind: 'cursors' });
  assert.deepEqual(sequences(await take(clientOf(server), 3)), [3, 4, 5]);
});

test('types and accounts are sent with every request', async (t) => {
  const server = await openFeedServer(t, 10);
  server.fail({ kind: 'end', events: 1 });
  const events = await take(clientOf(server), 2, { types: ['media.dead'], accounts: ['shop', 'school'] });
  assert.deepEqual(sequences(events), [5, 10]);
  assert.equal(server.requests.length, 2);
  for (const query of server.requests) {
    assert.deepEqual(query.getAll('type'), ['media.dead']);
    assert.deepEqual(query.getAll('account'), ['shop', 'school']);
  }
});

test('where a proxy holds the stream back, events come by long poll, and a cursor inside a page loses none', async (t) => {
  const server = await openFeedServer(t, 7);
  server.fail({ kind: 'half-open', events: 0 });
  const events = await take(clientOf(server), 7, { idleTimeoutMs: 100 });
  assert.deepEqual(sequences(events), upTo(7));
  const polls = server.requests.filter((query) => query.has('wait'));
  assert.ok(polls.length >= 2, `${polls.length} polls`);
  for (const [index, { cursor }] of events.slice(0, 6).entries()) {
    const [next] = await take(clientOf(server), 1, { after: cursor });
    assert.ok(next && next.sequence <= index + 2, `${cursor} skips ${index + 2}`);
  }
});

for (const [what, status, code] of [
  ['a cursor that is too old', 410, 'cursor_expired'],
  ['a cursor of another feed', 400, 'invalid_cursor'],
  ['a key that is wrong', 401, 'unauthorized'],
  ['a key without the right', 403, 'forbidden'],
] as const) {
  test(`${what} is an error that the program sees, and nothing is skipped`, async (t) => {
    const server = await openFeedServer(t, 5);
    const body = { title: 'No', code, advice: `Not with ${KEY}.`, detail: 'The oldest is of May.' };
    server.fail({ kind: 'end', events: 2 }, { kind: 'refuse', status, body });
    const found: number[] = [];
    await assert.rejects(
      async () => {
        for await (const { sequence } of clientOf(server).events({ onRetry: quiet })) found.push(sequence);
      },
      (error) => {
        assert.ok(error instanceof ClientError);
        assert.deepEqual([error.code, error.status], [code, status]);
        assert.equal(error.advice, 'Not with [key].');
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, new RegExp(KEY));
        return true;
      },
    );
    assert.deepEqual(found, [1, 2]);
    assert.equal(server.requests.length, 2);
  });
}

for (const [what, text] of [
  ['an event that is no JSON', 'id: cursor-1\ndata: {"id":\n\n'],
  ['an event without an id', 'id: cursor-1\ndata: {"type":"media.archived"}\n\n'],
  ['an event without a cursor', 'data: {"id":"evt_1","type":"media.archived"}\n\n'],
] as const) {
  test(`${what} is an error and not skipped`, async (t) => {
    const server = await openFeedServer(t, 5);
    server.fail({ kind: 'text', text });
    await assert.rejects(take(clientOf(server), 1), { code: 'unexpected_response' });
  });
}

test('a page that is not a stream is an error', async (t) => {
  const server = await openFeedServer(t, 5);
  server.fail({ kind: 'refuse', status: 200, body: '<h1>Sign in to the hotel</h1>' });
  await assert.rejects(take(clientOf(server), 1), { code: 'unexpected_response', status: undefined });
});

test('the wait that the server asks for is at least kept', async (t) => {
  const server = await openFeedServer(t, 1);
  server.fail({ kind: 'refuse', status: 503, headers: { 'retry-after': '7' } });
  const controller = new AbortController();
  const waits: number[] = [];
  const events = clientOf(server).events({
    signal: controller.signal,
    onRetry: (error, waitMs) => {
      assert.equal(error.retryAfterMs, 7_000);
      waits.push(waitMs);
      controller.abort();
    },
  });
  await assert.rejects(events.next(), { name: 'AbortError' });
  assert.ok(waits[0]! >= 7_000 && waits[0]! <= 8_000, `${waits}`);
});

/** Resolves when the server has `count` open streams. */
async function untilStreams(t: TestContext, server: FeedServer, count: number): Promise<void> {
  const signal = AbortSignal.any([t.signal, AbortSignal.timeout(LIMIT_MS)]);
  while (server.openStreams() !== count) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('leaving the iteration closes the connection', async (t) => {
  const server = await openFeedServer(t, 3);
  const { signal } = new AbortController();
  await take(clientOf(server), 3, { signal });
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  await untilStreams(t, server, 0);
});

test('aborting ends an iteration that waits, with the reason, and closes the connection', async (t) => {
  const server = await openFeedServer(t, 0);
  const controller = new AbortController();
  const next = clientOf(server).events({ signal: controller.signal }).next();
  await untilStreams(t, server, 1);
  controller.abort(new Error('the program ends'));
  await assert.rejects(next, { message: 'the program ends' });
  await untilStreams(t, server, 0);
});

test('a long break is told by a warning of the process, unless the program listens', async (t) => {
  const server = await openFeedServer(t, 1);
  server.fail(...Array.from({ length: 4 }, () => ({ kind: 'reset' }) as const));
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  const [event] = await take(clientOf(server), 1, { onRetry: undefined });
  assert.equal(event?.sequence, 1);
  assert.match((await warned).message, /the connection to http:.* failed .*Still trying/);
});

for (const [options, message] of [
  [{ types: [] }, /types must not be empty/],
  [{ accounts: [] }, /accounts must not be empty/],
  [{ after: '' }, /after must be the cursor/],
  [{ idleTimeoutMs: 0 }, /idleTimeoutMs/],
  [{ cursor: 'x' }, /events has no option cursor/],
] as const) {
  test(`events refuse ${JSON.stringify(options)}`, () => {
    const client = createClient({ url: 'http://127.0.0.1:1', key: KEY });
    assert.throws(() => client.events(options as unknown as EventOptions), { code: 'misused', message });
  });
}
