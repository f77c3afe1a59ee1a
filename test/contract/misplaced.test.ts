/** A queue that lost the places of its jobs and kept the jobs: every item is dispatched again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { QUEUE_NAME } from '../../src/queue/job.ts';
import { receive, SHAPES, until, untilEnded } from './shapes.ts';

const shape = SHAPES.find(({ name }) => name === 'Redis and Postgres')!;

describe(`a queue without its lists, with ${shape.name}`, { skip: shape.skip, timeout: 120_000 }, () => {
  it('dispatches again what stood in a wait list that was deleted', async (t) => {
    const fixture = await shape.open({ private: true });
    t.after(() => fixture.close());
    const sweeping = { everyMs: 250, claimAgeMs: 1_000, misplacedAgeMs: 2_000 };
    const program = await fixture.start({ consume: false, sweeping });
    const inputs = Array.from({ length: 40 }, () => receive(fixture.simulator));
    const ids = (await program.parts.accept(inputs)).map(({ id }) => id);
    const redis = new Redis(fixture.redis!.url);
    t.after(() => redis.disconnect());
    const list = `{wma}:${QUEUE_NAME}:wait`;
    await until('a filled queue', async () => (await redis.llen(list)) >= 10);
    await redis.del(list);
    await program.consume();
    const rows = await untilEnded(program, ids);
    assert.deepEqual(new Set(rows.map(({ status }) => status)), new Set(['archived']));
    assert.ok(
      fixture.logLines.some((line) => line.includes('"freed"')),
      'it is said',
    );
  });
});
