/** A fresh media of one account does not wait behind the backlog of another. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { idOf } from '../../src/media.ts';
import { A, B, ended, type Ground, type Program, SHAPES, sent, until } from './shapes.ts';

const BACKLOG = 100_000;
const CHUNK = 10_000;
const LIMIT_MS = 5_000;

for (const shape of SHAPES) {
  describe(`fairness with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    let ground: Ground;
    let program: Program;
    before(async () => {
      ground = await shape.lay();
      program = await ground.start();
    });
    after(() => ground?.close());

    async function fill(): Promise<void> {
      for (let from = 0; from < BACKLOG; from += CHUNK) {
        const inputs = Array.from({ length: CHUNK }, () => sent(ground.simulator));
        const ids = inputs.map(({ mediaId }) => idOf(A, mediaId));
        await program.parts.database.query(
          `INSERT INTO wma.media (id, account, media_id, kind, sent_at, expires_at, closes_at, stage, created_at, updated_at)
           SELECT id, $3, media_id, 'voice', now(), now() + interval '1 hour', now() + interval '2 hours', 1, now(), now()
           FROM unnest($1::text[], $2::text[]) AS given (id, media_id)`,
          [ids, inputs.map(({ mediaId }) => mediaId), A],
        );
      }
    }

    it('starts it within five seconds while 100,000 others wait and WeChat is slow with them', async () => {
      ground.simulator.misbehave(A, { name: 'slow', amount: 50 });
      await fill();
      // Not by stats: they count the whole backlog, and the embedded database does one thing at a time.
      const archived = async () =>
        (await program.parts.database.query('SELECT id FROM wma.media WHERE archived_at IS NOT NULL')).length;
      const before = await archived();
      await until('the backlog being worked on', async () => (await archived()) > before + 50, 60_000);
      for (let place = 0; place < 3; place++) {
        const acceptedAt = Date.now();
        const [accepted] = await program.parts.accept([sent(ground.simulator, { account: B })]);
        await ended(program, [accepted!.id]);
        const [attempt] = await program.parts.catalogue.attempts(accepted!.id);
        const startedMs = attempt!.startedAt.getTime() - acceptedAt;
        assert.ok(startedMs < LIMIT_MS, `started after ${startedMs} ms`);
      }
      const { byStatus } = await program.parts.catalogue.stats(new Date(), [A]);
      assert.ok(byStatus.pending > BACKLOG / 2, 'the backlog is still there');
    });
  });
}
