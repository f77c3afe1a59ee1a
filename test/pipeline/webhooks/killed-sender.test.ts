/** Two processes send, and are killed in the middle of it. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../../src/catalogue/database/database.ts';
import { migrate } from '../../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { lifetimes, SCHEMA } from '../../catalogue/backends.ts';
import { missing, postgresForTest } from '../../machine/services.ts';
import { ok, openWebhookReceiver } from './receivers.ts';
import { createEndpoint, happen } from './sending.ts';

const EVENTS = 600;

test('of two processes that send, each killed in turn, every event arrives', {
  skip: missing.postgres,
}, async (t) => {
  const url = await postgresForTest(t);
  if (!url) return;
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const pool = createPostgresPool({ url, searchPath: SCHEMA, maxConnections: 4, log });
  t.after(() => pool.end());
  const database = createDatabase(pool);
  await migrate(database, SCHEMA, new Date());
  const catalogue = createCatalogue(database, SCHEMA, lifetimes);
  let secret = '';
  const receiver = await openWebhookReceiver(t, () => secret);
  const endpoint = await createEndpoint(catalogue, receiver.url);
  secret = endpoint.secret;

  const start = async (): Promise<ChildProcess> => {
    const child = fork(new URL('sending-program.ts', import.meta.url), {
      env: { ...process.env, DATABASE_URL: url },
    });
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'message');
    return child;
  };
  const kill = async (child: ChildProcess): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const ids = () => new Set(receiver.received.map(({ id }) => id));

  const first = await start();
  const second = await start();
  await happen(catalogue, database, EVENTS);
  // Some requests are held open, so that the kill meets them between the request and its outcome.
  receiver.respondWith((response, request) => {
    if (receiver.received.length % 10 !== 0) ok(response, request);
  });
  await receiver.until(() => ids().size >= 60);
  await kill(first);
  await receiver.until(() => ids().size >= 120);
  await kill(second);
  receiver.respondWith(ok);
  await start();
  await receiver.until(() => ids().size === EVENTS);
  const sequences = [...new Set(receiver.received.map(({ event }) => event.sequence))].sort((a, b) => a - b);
  assert.deepEqual(
    sequences,
    Array.from({ length: EVENTS }, (_, index) => index + 1),
  );
  assert.ok(receiver.received.every(({ isVerified }) => isVerified));
  t.diagnostic(`${receiver.received.length - EVENTS} of ${receiver.received.length} were repeated`);
});
