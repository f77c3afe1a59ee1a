/** Two archivers in one database, each in a schema of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missing } from '../machine/services.ts';
import { idOfInput, receive, SHAPES, until, untilEnded } from './shapes.ts';

test('two schemas in one database share neither jobs nor wake-ups', { skip: missing.postgres }, async (t) => {
  const fixture = await SHAPES.find(({ name }) => name === 'Postgres')!.open();
  t.after(() => fixture.close());
  const first = await fixture.start({ consume: false });
  const second = await fixture.start({ env: { DATABASE_SCHEMA: 'photos' } });

  const mine = receive(fixture.simulator, { kind: 'image' });
  await first.parts.accept([mine]);
  await until('the job of the first', async () => (await first.parts.queue.counts()).waiting === 1);
  const other = receive(fixture.simulator, { kind: 'image' });
  await second.parts.accept([other]);
  const [archived] = await untilEnded(second, [idOfInput(other)]);
  assert.equal(archived?.status, 'archived');
  // The second's worker was free all the while, and has taken everything that its queue holds.
  assert.equal((await first.parts.queue.counts()).waiting, 1);
  assert.equal(await second.parts.catalogue.media.get(idOfInput(mine)), undefined);

  const schemas = await first.parts.database.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname IN ('wma', 'photos', 'bullmq', 'photos_queue') ORDER BY 1`,
  );
  assert.deepEqual(
    schemas.map(({ name }) => name),
    ['bullmq', 'photos', 'photos_queue', 'wma'],
  );
  const listening = await first.parts.database.query<{ query: string }>(
    `SELECT DISTINCT query FROM pg_stat_activity WHERE query LIKE 'LISTEN "%' AND datname = current_database() ORDER BY 1`,
  );
  assert.deepEqual(
    listening.map(({ query }) => query),
    ['LISTEN "photos_due"', 'LISTEN "wma_due"'],
  );

  await first.consume();
  assert.equal((await untilEnded(first, [idOfInput(mine)]))[0]?.status, 'archived');
});
