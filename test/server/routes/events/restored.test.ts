/** GET /v1/events while a server runs and its database loses the end of the feed, as after the promotion of a standby. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { eventually } from '../../../queue/handled.ts';
import { KEYS, openTestServer, reference, type TestServer } from '../../setup.ts';

interface Page {
  items: { sequence: number; data: { id: string } }[];
  nextCursor: string;
}

describe('a feed that loses its last events while clients wait', { timeout: 120_000 }, () => {
  let s: TestServer;
  let serial = 0;
  let kept: number;
  let lostCursor: string;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const read = (after: string, wait = '0s') =>
    s.json<Page>(`/v1/events?after=${after}&wait=${wait}`, { key: 'read' });
  const dead = () => s.createDead(reference({ mediaId: `restored-${serial++}` }));
  const readers = async () => (await s.context.metrics.eventReaders.get()).values[0]?.value;

  beforeEach(async () => {
    const start = (await read('now')).nextCursor;
    for (let index = 0; index < 3; index++) await dead();
    await eventually('three events', async () => (await read(start)).items.length === 3);
    const page = await read(start);
    kept = page.items[0]!.sequence;
    lostCursor = page.nextCursor;
  });

  /** Takes back all but the first event, as a standby does not have them. */
  const lose = () =>
    s.context.database.transaction(async (transaction) => {
      await transaction.query('DELETE FROM wma.event WHERE position > $1', [kept]);
      await transaction.query(
        `UPDATE wma.event_head h SET position = e.position, sequenced_at = e.sequenced_at
         FROM wma.event e WHERE e.position = $1`,
        [kept],
      );
    });
  const threeMore = async () => [await dead(), await dead(), await dead()];

  it('a client that polls gets all later events, although they have the positions of lost ones', async () => {
    const waiting = read(lostCursor, '30s');
    await eventually('it waits', async () => (await readers()) === 1);
    await lose();
    const ids = await threeMore();
    const seen = new Set<string>();
    let page = await waiting;
    await eventually('all three', async () => {
      for (const { data } of page.items) seen.add(data.id);
      page = await read(page.nextCursor, '1s');
      return ids.every((id) => seen.has(id));
    });
  });

  it('a stream ends, so that the client comes back with its cursor and gets all later events', async () => {
    const open = (cursor: string) =>
      fetch(`${s.url}/v1/events`, {
        headers: {
          authorization: `Bearer ${KEYS.read}`,
          accept: 'text/event-stream',
          'last-event-id': cursor,
        },
        signal: AbortSignal.timeout(60_000),
      });
    const stream = await open(lostCursor);
    await eventually('it waits', async () => (await readers()) === 1);
    await lose();
    const ids = await threeMore();
    const text = await stream.text();
    const cursor = [...text.matchAll(/^id: (.*)$/gm)].at(-1)![1]!;
    const again = await open(cursor);
    let rest = '';
    for await (const chunk of again.body!) {
      rest += Buffer.from(chunk).toString();
      if (ids.every((id) => rest.includes(id))) break;
    }
  });

  it('a client at the new end waits there, and does not ask again and again', async () => {
    const notices = () => s.log.filter((line) => line.includes('lost the end of the feed')).length;
    const before = notices();
    await lose();
    await eventually('the server to notice', async () => notices() > before);
    const { nextCursor } = await read('now');
    const waiting = read(nextCursor, '30s');
    await eventually('it waits', async () => (await readers()) === 1);
    const id = await dead();
    const { items } = await waiting;
    assert.deepEqual(
      items.map(({ data }) => data.id),
      [id],
    );
  });
});
