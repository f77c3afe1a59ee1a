/** Connections to the database and to Redis are reset in the middle of statements, transactions and starts. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createRandom } from '../../src/runtime/seeded-random.ts';
import { openCutter } from '../machine/cutter.ts';
import { sizeFor } from '../machine/selection.ts';
import { missing, postgresForTest, redisForTest } from '../machine/services.ts';
import { type Program, receive, SHAPES, until, untilEnded } from './shapes.ts';

const LONG = { timeout: 180_000 };
const SEED = 29_939;

const RESETS = sizeFor(30, 100);

/** `pieces`: how long a connection lives at most. */
async function setup(t: TestContext, shape: string, pieces: number) {
  const random = createRandom(SEED);
  const fixture = await SHAPES.find(({ name }) => name === shape)!.open();
  t.after(() => fixture.close());
  const databaseUrl = (await postgresForTest(t))!;
  // The migrations are one transaction, longer than a connection lives here.
  await (await fixture.start({ consume: false, env: { DATABASE_URL: databaseUrl } })).close();
  const database = await openCutter(databaseUrl, random, pieces);
  const redisAt = shape.includes('Redis') ? (await redisForTest(t))! : undefined;
  const redis = redisAt && (await openCutter(redisAt.url, random, pieces));
  const cutters = [database, ...(redis ? [redis] : [])];
  t.after(() => Promise.all(cutters.map((cutter) => cutter.close())));
  return {
    fixture,
    random,
    resets: () => cutters.reduce((sum, cutter) => sum + cutter.resets(), 0),
    spare: () => {
      for (const cutter of cutters) cutter.spare();
    },
    start: () =>
      fixture.start({
        env: {
          DATABASE_URL: database.url,
          ...(redisAt && redis ? { REDIS_URL: redis.url, QUEUE_PREFIX: redisAt.prefix } : {}),
        },
      }),
  };
}

/** Starts a program again whose start was cut. */
async function startAtLast(start: () => Promise<Program>): Promise<Program> {
  for (;;) {
    try {
      return await start();
    } catch (error) {
      assert.match(String((error as Error).name), /DatabaseAway|Error/);
      await wait(10);
    }
  }
}

for (const shape of ['Postgres', 'Redis and Postgres']) {
  const skip = missing.postgres || (shape.includes('Redis') && missing.redis);
  describe(`connections that are reset, on ${shape}`, { skip }, () => {
    it(
      'at dozens of random moments of work end no process, and all that was accepted is archived',
      LONG,
      async (t) => {
        const { fixture, start, resets, spare } = await setup(t, shape, 24);
        const program = await startAtLast(start);
        const accepted: string[] = [];
        t.diagnostic(`seed ${SEED}`);
        while (resets() < RESETS) {
          const media = Array.from({ length: 2 }, () => receive(fixture.simulator, { kind: 'voice' }));
          const rows = await program.parts.accept(media).catch(() => []);
          accepted.push(...rows.map(({ id }) => id));
          await wait(50);
        }
        spare();
        assert.ok(accepted.length > RESETS / 5, `${accepted.length} accepted`);
        const rows = await untilEnded(program, accepted, 90_000);
        assert.deepEqual(
          rows.filter(({ status }) => status !== 'archived'),
          [],
        );
      },
    );

    it('at random moments of starts and ends end no process', LONG, async (t) => {
      const { start, resets, spare } = await setup(t, shape, 25);
      for (let times = 0; times < sizeFor(4, 10) || resets() < RESETS; times++) {
        const program = await start().catch(() => undefined);
        await program?.close();
      }
      spare();
      const program = await start();
      await until('the queue is there', () => program.parts.queue.counts().catch(() => undefined));
    });
  });
}
