/** The places of readers of the feed, where clients leave at an unlucky moment. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { it } from 'node:test';
import { LISTENER_LIMITS } from '../../../../src/runtime/network/server-limits.ts';
import { KEYS, openTestServer } from '../../setup.ts';

it('a client that leaves while its session is checked keeps no place', async (t) => {
  const s = await openTestServer({ limits: { ...LISTENER_LIMITS, connections: 8 } });
  t.after(() => s.close());
  const signedIn = await s.call('/login', {
    body: new URLSearchParams({ key: KEYS.read }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  const [cookie] = signedIn.headers.getSetCookie()[0]!.split(';');
  const { database } = s.context;
  const { query } = database;
  t.after(() => {
    database.query = query;
  });
  // Half of the connections is what one key may take.
  for (let index = 0; index < 4; index++) {
    const isChecked = Promise.withResolvers<void>();
    const mayGoOn = Promise.withResolvers<void>();
    database.query = (async (...given: Parameters<typeof query>) => {
      if (given[0].includes('revoked_credential')) {
        isChecked.resolve();
        await mayGoOn.promise;
      }
      return await query(...given);
    }) as typeof query;
    const socket = connect(Number(new URL(s.url).port), '127.0.0.1');
    socket.write(
      `GET /v1/events?after=now HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\ncookie: ${cookie}\r\n\r\n`,
    );
    await isChecked.promise;
    socket.resetAndDestroy();
    // Two more requests, so that the server has seen the end of the first.
    for (let turn = 0; turn < 2; turn++) await (await fetch(`${s.url}/livez`)).text();
    mayGoOn.resolve();
    database.query = query;
  }
  assert.equal((await s.call('/v1/events?after=now', { key: 'read' })).status, 200);
});
