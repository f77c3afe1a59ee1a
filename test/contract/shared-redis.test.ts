/** Two archivers with two databases on one Redis. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFailureOf } from '../../src/app/run.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLog } from '../../src/runtime/log.ts';
import { missing, postgresForTest, redisForTest } from '../machine/services.ts';
import { SHAPES, until } from './shapes.ts';

test('a queue in Redis that another catalogue uses is refused with the variable to set', {
  skip: missing.redis || missing.postgres,
}, async (t) => {
  const fixture = await SHAPES.find(({ name }) => name === 'Redis and Postgres')!.open();
  const other = await postgresForTest(t);
  t.after(() => fixture.close());
  if (!other) return;
  await fixture.start({ consume: false });
  // Of the same catalogue any number.
  await (await fixture.start({ consume: false })).close();
  const env = { DATABASE_URL: other };
  const error = await fixture.start({ consume: false, env }).then(
    () => assert.fail('it started'),
    (reason: unknown) => reason,
  );
  const { exitCode, text } = startFailureOf('test', error);
  assert.equal(exitCode, 78);
  assert.match(text, /belongs to another archiver.*Set QUEUE_PREFIX/);

  const apart = { ...env, QUEUE_PREFIX: '{another}' };
  await (await fixture.start({ consume: false, env: apart })).close();
});

test('the mark of a queue is renewed by its owner, and lapses without', {
  skip: missing.redis,
}, async (t) => {
  const redis = await redisForTest(t);
  if (!redis) return;
  const log = createLog({ level: 'silent', program: 'test', secrets: [] });
  const queue = await openArchiveQueue({ kind: 'redis', ...redis }, { log });
  t.after(() => queue.close());
  assert.equal(await queue.mark('a', 60), true);
  assert.equal(await queue.mark('b', 60), false);
  assert.equal(await queue.mark('a', 60_000), true);
  const begin = performance.now();
  while (performance.now() - begin < 120) assert.equal(await queue.mark('b', 60), false);
  assert.equal(await queue.mark('a', 30), true);
  await until('the mark has lapsed', () => queue.mark('b', 60), 5_000);
});
