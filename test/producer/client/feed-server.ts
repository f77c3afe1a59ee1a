/** The far end of the wire: an event feed that follows the contract of GET /v1/events, except where a fault says otherwise. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export const KEY = 'key-of-the-feed-0123456789';

/** What happens to one request for a stream; without a fault it sends all events and stays open. */
export type Fault =
  /** The connection ends without a response. */
  | { kind: 'reset' }
  /** Sends `events` events, and then half of the next one. */
  | { kind: 'cut'; events: number }
  /** Sends `events` events and ends the stream properly, as a server that shuts down. */
  | { kind: 'end'; events: number }
  /** Sends `events` events, and then nothing: neither an event nor a comment nor the end. */
  | { kind: 'half-open'; events: number }
  /** Sends each event twice, and ends. */
  | { kind: 'duplicate' }
  /** Sends every byte on its own, with \r\n, and ends. */
  | { kind: 'bytes' }
  /** Begins with messages that only move the cursor. */
  | { kind: 'cursors' }
  | { kind: 'text'; text: string }
  | { kind: 'refuse'; status: number; headers?: Record<string, string>; body?: unknown };

export interface FeedServer {
  readonly url: string;
  /** The queries of all requests, as they came. */
  readonly requests: URLSearchParams[];
  /** How many streams are open. */
  openStreams(): number;
  /** Adds events, which open streams get at once. */
  publish(count: number): void;
  /** Faults of the next streams, in order. */
  fail(...faults: Fault[]): void;
  stop(): Promise<void>;
  start(): Promise<void>;
}

const eventOf = (position: number) => ({
  id: `evt_${position.toString(16).padStart(32, '0')}`,
  type: position % 5 === 0 ? 'media.dead' : 'media.archived',
  at: '2026-05-01T12:00:00.000Z',
  account: 'wx0000000000000001',
  sequence: position,
  data: { id: `m_${position.toString(16).padStart(32, '0')}`, fileName: '图片.jpg' },
});
const cursorOf = (position: number) => `cursor-${position}`;

/** Opens a server with `count` events. */
export async function openFeedServer(t: TestContext, count: number): Promise<FeedServer> {
  const requests: URLSearchParams[] = [];
  const faults: Fault[] = [];
  const streams = new Map<ServerResponse, (position: number) => void>();
  let last = count;
  let port = 0;
  const server = createServer((request, response) => respond(request, response));

  function respond(request: IncomingMessage, response: ServerResponse): void {
    assert.equal(request.headers.authorization, `Bearer ${KEY}`);
    const { searchParams: query, pathname } = new URL(request.url ?? '', 'http://feed');
    assert.equal(pathname, '/v1/events');
    requests.push(query);
    const after = query.get('after');
    const from = after === 'now' ? last : after === null ? 0 : Number(/^cursor-(\d+)$/.exec(after)?.[1]);
    const types = query.getAll('type');
    const isWanted = (position: number) => types.length === 0 || types.includes(eventOf(position).type);
    const upTo = (to: number) =>
      Array.from({ length: to - from }, (_, index) => from + index + 1).filter(isWanted);
    if (request.headers.accept !== 'text/event-stream') {
      const limit = Number(query.get('limit'));
      const positions = upTo(last).slice(0, limit);
      const items = positions.map(eventOf);
      const nextCursor = cursorOf(positions.at(-1) ?? from);
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ items, nextCursor }));
      return;
    }
    const fault = faults.shift();
    if (fault?.kind === 'reset') return void request.socket.destroy();
    if (fault?.kind === 'refuse') {
      const { body = { title: 'Refused', code: 'refused', advice: 'Wait.' } } = fault;
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      response.writeHead(fault.status, fault.headers).end(text);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).flushHeaders();
    const text = (position: number) =>
      `id: ${cursorOf(position)}\nevent: ${eventOf(position).type}\ndata: ${JSON.stringify(eventOf(position))}\n\n`;
    const positions = upTo(last);
    switch (fault?.kind) {
      case 'cut': {
        const next = text(positions[fault.events] ?? 1);
        response.write(positions.slice(0, fault.events).map(text).join(''));
        // The multi-byte file name is cut too.
        response.write(Buffer.from(next).subarray(0, next.indexOf('图') + 1), () =>
          response.socket?.destroy(),
        );
        return;
      }
      case 'end':
        response.end(positions.slice(0, fault.events).map(text).join(''));
        return;
      case 'half-open':
        response.write(positions.slice(0, fault.events).map(text).join(''));
        return;
      case 'duplicate':
        response.end(positions.map((position) => text(position).repeat(2)).join(''));
        return;
      case 'bytes':
        for (const byte of Buffer.from(positions.map(text).join('').replaceAll('\n', '\r\n')))
          response.write(Buffer.from([byte]));
        response.end();
        return;
      case 'text':
        response.end(fault.text);
        return;
      case 'cursors':
        response.write(`:\n\nid: ${cursorOf(from + 1)}\n\nid: ${cursorOf(from + 2)}\n\n`);
        response.end();
        return;
      default:
        response.write(`:\n\n${positions.map(text).join('')}`);
        streams.set(response, (position) => isWanted(position) && response.write(text(position)));
        response.on('close', () => streams.delete(response));
    }
  }

  async function start(): Promise<void> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  }
  async function stop(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
  await start();
  t.after(() => (server.listening ? stop() : undefined));
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    openStreams: () => streams.size,
    publish: (more) => {
      for (let end = last + more; last < end; ) {
        last++;
        for (const send of streams.values()) send(last);
      }
    },
    fail: (...more) => void faults.push(...more),
    stop,
    start,
  };
}
