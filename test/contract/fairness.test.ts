/** A fresh media of one account does not wait behind the backlog of another. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { idOf } from '../../src/media.ts';
import { sizeFor } from '../machine/selection.ts';
import { A, B, type Fixture, type Program, receive, SHAPES, until, untilEnded } from './shapes.ts';

const BACKLOG = sizeFor(10_000, 100_000);
const CHUNK = 10_000;
const LIMIT_MS = 5_000;

for (const shape of SHAPES) {
  describe(`fairness with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      // Its own servers: the queue is purged.
      fixture = await shape.open({ private: true });
      program = await fixture.start();
    });
    after(() => fixture?.close());

    async function fill(): Promise<void> {
      for (let from = 0; from < BACKLOG; from += CHUNK) {
        const inputs = Array.from({ length: CHUNK }, () => receive(fixture.simulator));
        const ids = inputs.map(({ mediaId }) => idOf(A, mediaId));
        await program.parts.database.query(
          `INSERT INTO wma.media (id, account, media_id, kind, sent_at, expires_at, closes_at, stage, created_at, updated_at)
           SELECT id, $3, media_id, 'voice', now(), now() + interval '1 hour', now() + interval '2 hours', 1, now(), now()
           FROM unnest($1::text[], $2::text[]) AS given (id, media_id)`,
          [ids, inputs.map(({ mediaId }) => mediaId), A],
        );
      }
    }

    async function startsSoon(): Promise<void> {
      const acceptedAt = Date.now();
      const [accepted] = await program.parts.accept([receive(fixture.simulator, { account: B })]);
      await untilEnded(program, [accepted!.id]);
      const [attempt] = await program.parts.catalogue.media.attempts(accepted!.id);
      const startedMs = attempt!.startedAt.getTime() - acceptedAt;
      assert.ok(startedMs < LIMIT_MS, `started after ${startedMs} ms`);
    }

    it('starts it within five seconds while thousands of others wait and WeChat is slow with them', async () => {
      fixture.simulator.setAccountWideFault(A, { name: 'slow', amount: 50 });
      await fill();
      // Not by stats: they count the whole backlog, and the embedded database does one thing at a time.
      const archived = async () =>
        (await program.parts.database.query('SELECT id FROM wma.media WHERE archived_at IS NOT NULL')).length;
      const before = await archived();
      await until('the backlog being worked on', async () => (await archived()) > before + 50, 60_000);
      for (let place = 0; place < 3; place++) await startsSoon();
      const { byStatus } = await program.parts.catalogue.stats.read(new Date(), [A]);
      assert.ok(byStatus.pending > BACKLOG / 2, 'the backlog is still there');
    });

    const inQueue = async (account: string) =>
      (
        await program.parts.database.query(
          'SELECT id FROM wma.media WHERE account = $1 AND stage = 2 AND next_attempt_at IS NULL',
          [account],
        )
      ).length;

    it('as soon after the queue was purged and the backlog is rescued', async () => {
      // A purge takes what waits in the queue, not what is in work: where nothing waited, nothing was lost by it.
      await until('the next dispatch', async () => {
        await fixture.purge(program);
        await wait(100);
        const again = await program.parts.database.query(
          'SELECT id FROM wma.media WHERE generation > 1 LIMIT 1',
        );
        return again.length > 0;
      });
      await startsSoon();
    });

    it('as soon after the backlog was held and is released as a whole', async () => {
      const { accounts } = program.parts.catalogue;
      const why = { code: 'held_by_hand', class: 'account', by: 'test', reason: 'a test' } as const;
      const now = new Date();
      await accounts.holdByHand(A, new Date(now.getTime() + 3_600_000), why, now);
      await until('the queue without it', async () => (await inQueue(A)) === 0);
      await startsSoon();
      await accounts.release(A, new Date());
      program.parts.due.notify();
      await until('it is dispatched again', async () => (await inQueue(A)) > 0);
      await startsSoon();
    });
  });
}
