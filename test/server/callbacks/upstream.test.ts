/** The limit of callbacks that wait for handlers: a handler that hangs must not fill the memory of the server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createUpstream, UpstreamError } from '../../../src/server/callbacks/upstream.ts';

const LIMIT = 256;
const CALLBACK = { query: '', headers: {}, body: Buffer.from('<xml></xml>') };

test('at most 256 callbacks wait for a handler at once, and each that ends makes room for another', async (t) => {
  let reply: (response: ServerResponse) => void = () => undefined;
  const handler = createServer((request, response) => {
    request.resume();
    reply(response);
  }).listen(0, '127.0.0.1');
  await once(handler, 'listening');
  const upstream = createUpstream();
  const cuts = Array.from({ length: LIMIT }, () => new AbortController());
  t.after(async () => {
    for (const cut of cuts) cut.abort();
    await upstream.close();
    handler.closeAllConnections();
    handler.close();
  });
  const url = `http://127.0.0.1:${(handler.address() as AddressInfo).port}/`;
  const post = (signal = AbortSignal.timeout(20_000)) => upstream.post(url, CALLBACK, signal);

  const waiting = cuts.map((cut) => post(cut.signal));
  const ends = Promise.allSettled(waiting);
  const oneMore = post().catch((error: unknown) => error);
  const end = await Promise.race([oneMore, wait(2_000, 'no response', { ref: false })]);
  assert.ok(end instanceof UpstreamError && /256 replies outstanding/.test(end.message), String(end));
  for (const cut of cuts) cut.abort();
  assert.ok((await ends).every(({ status }) => status === 'rejected'));

  // After failures, then after replies.
  reply = (response) => response.end('success');
  for (let times = 0; times < 2; times++) {
    const replies = await Promise.all(Array.from({ length: LIMIT }, () => post()));
    assert.deepEqual(
      new Set(replies.map(({ status, body }) => `${status} ${body}`)),
      new Set(['200 success']),
    );
  }
});
