/** Responses of WeChat that no column can store spend attempts like any other failure, and end. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reference } from '../../src/media.ts';
import { createCleanup } from '../machine/cleanup.ts';
import { type RecordingServer, startHttpServer } from '../wechat/servers.ts';
import { A, B, type Fixture, type Program, SHAPES, untilEnded } from './shapes.ts';

const REFUSED = 'invalid media_id poison';
const ANSWERS: Readonly<Record<string, { text: string; code: string; calls: number }>> = {
  'NUL in errmsg': { text: '{"errcode":40007,"errmsg":"bad \\u0000"}', code: 'invalid_media_id', calls: 1 },
  'half a character in errmsg': {
    text: '{"errcode":40007,"errmsg":"\\ud800"}',
    code: 'invalid_media_id',
    calls: 1,
  },
  'an errcode beyond four bytes': { text: '{"errcode":3000000000}', code: 'unknown_errcode', calls: 3 },
  'an errcode beyond eight bytes': {
    text: '{"errcode":1e300,"errmsg":"x"}',
    code: 'unknown_errcode',
    calls: 3,
  },
};

for (const shape of SHAPES.slice(0, 2)) {
  describe(`responses that no column takes, with ${shape.name}`, {
    skip: shape.skip,
    timeout: 120_000,
  }, () => {
    let fixture: Fixture;
    let wechat: RecordingServer;
    let program: Program;
    const cleanup = createCleanup();
    before(async () => {
      fixture = await shape.open();
      wechat = await startHttpServer(cleanup.hooks, (request, response) => {
        const { pathname, searchParams } = new URL(request.url!, 'http://wechat');
        response.setHeader('content-type', 'application/json');
        if (pathname.endsWith('/media/get')) {
          const text = ANSWERS[searchParams.get('media_id')!]?.text;
          response.end(text ?? `{"errcode":40007,"errmsg":"${REFUSED}"}`);
        } else response.end('{"access_token":"token-of-the-far-end","expires_in":7200}');
      });
      program = await fixture.start({ env: { WECHAT_API_BASE_URL: wechat.url } });
    });
    after(async () => {
      await fixture?.close();
      await cleanup.run();
    });

    for (const [mediaId, { code, calls }] of Object.entries(ANSWERS)) {
      it(`a dead letter after ${calls} of them: ${mediaId}`, async () => {
        const input: Reference = { account: A, mediaId, kind: 'image', sentAt: new Date() };
        const [accepted] = await program.parts.accept([input]);
        const [row] = await untilEnded(program, [accepted!.id]);
        assert.equal(row!.status, 'dead');
        assert.equal(row!.failure?.code, code);
        assert.equal(row!.attempts, calls);
        const asked = wechat.requests.filter(({ url }) =>
          url.includes(`media_id=${encodeURIComponent(mediaId).replaceAll('%20', '+')}`),
        );
        assert.equal(asked.length, calls);
      });
    }

    it('an outcome that the catalogue refuses counts as an attempt, until the item is a dead letter', async () => {
      await program.parts.database.query(
        `ALTER TABLE wma.media ADD CONSTRAINT poison CHECK (failure ->> 'errmsg' IS DISTINCT FROM '${REFUSED}')`,
      );
      const [accepted] = await program.parts.accept([
        { account: A, mediaId: 'poison', kind: 'image', sentAt: new Date() },
      ]);
      const [row] = await untilEnded(program, [accepted!.id]);
      assert.equal(row!.status, 'dead');
      assert.equal(row!.failure?.code, 'internal');
      assert.match(row!.failure!.detail!, /SQLSTATE 23514/);
      assert.equal(row!.attempts, 3);
    });

    it('makes a dead letter of a row whose job cannot be read, after three attempts', async () => {
      const { accounts, accept, catalogue, clock, database } = program.parts;
      assert.ok(accounts.find(B));
      await catalogue.accounts.holdByHand(
        B,
        new Date('2100-01-01Z'),
        { code: 'held_by_hand', class: 'account' },
        clock.now(),
      );
      const [accepted] = await accept([
        { account: B, mediaId: 'unreadable', kind: 'image', sentAt: new Date() },
      ]);
      // As a producer in SQL, or a restored table, may have written it.
      await database.query(`UPDATE wma.media SET pic_url = 'no address' WHERE id = $1`, [accepted!.id]);
      await catalogue.accounts.release(B, clock.now());
      const [row] = await untilEnded(program, [accepted!.id]);
      assert.equal(row!.status, 'dead');
      assert.match(row!.failure!.detail!, /its job could not be read: .*picUrl/);
      assert.equal(row!.attempts, 3);
    });
  });
}
