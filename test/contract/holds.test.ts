/** A failure of a whole account spends no attempt of its items, does not affect other accounts, and ends without an operator. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HELD_BY_HAND } from '../../src/catalogue/accounts/accounts.ts';
import type { AccountFaultName } from '../../src/simulator/faults/account-fault-table.ts';
import { A, B, type Fixture, itOnce, type Program, receive, SHAPES, until, untilEnded } from './shapes.ts';

/** A life of thirty seconds: an account is probed every two or three, and pictures go by their link in the last ones. */
const LIFE = { mediaLifetimeMs: 3_600_000, timeScale: 120 };

const ROWS: readonly { name: AccountFaultName; amount?: number; code: RegExp }[] = [
  // First: a token that is there already needs no call that could be refused.
  { name: 'ipNotAllowed', code: /ip/ },
  { name: 'unauthorized', code: /api_unauthorized/ },
  { name: 'minuteQuota', amount: 0, code: /minute/ },
  { name: 'dayQuota', amount: 0, code: /quota/ },
];

for (const shape of SHAPES) {
  describe(`holds with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    const once = itOnce(shape);
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      fixture = await shape.open({ life: LIFE });
      program = await fixture.start();
    });
    after(() => fixture?.close());

    const accept = async (inputs: Parameters<Program['parts']['accept']>[0]) =>
      (await program.parts.accept(inputs)).map(({ id }) => id);
    const many = (account: string, count: number) =>
      Array.from({ length: count }, () => receive(fixture.simulator, { account }));
    const said = (account: string) =>
      fixture.logLines.filter((line) => line.includes('account: held') && line.includes(account)).length;
    const stateOf = async (account: string) =>
      (await program.parts.catalogue.accounts.list()).find((state) => state.account === account);
    const asked = () => fixture.simulator.requestLog.report().totals.mediaRequests;

    for (const { name, amount, code } of ROWS) {
      const test = name === 'unauthorized' ? it : once;
      test(`${name}: no attempts spent, one warning, the others continue, and all is archived once it is over`, async () => {
        const saidBefore = said(B);
        fixture.simulator.beginAccountFault(B, { name, ...(amount === undefined ? {} : { amount }) });
        const held = await accept(many(B, 20));
        const state = await until('the hold', async () => {
          const found = await stateOf(B);
          return found?.heldUntil && found;
        });
        assert.match(String(state.hold?.code), code);
        const free = await accept(many(A, 10));
        for (const row of await untilEnded(program, free)) assert.equal(row.status, 'archived');
        await until('claimed rows are requeued', async () => {
          const rows = await program.parts.database.query(
            `SELECT id FROM wma.media WHERE account = $1 AND stage = 2`,
            [B],
          );
          return rows.length <= 1;
        });
        const [first] = await program.parts.database.query<{ id: string }>(
          `SELECT id FROM wma.media WHERE account = $1 AND waiting_reason = 'accountHeld' LIMIT 1`,
          [B],
        );
        assert.equal((await program.parts.catalogue.media.get(first!.id))?.waiting?.reason, 'accountHeld');
        fixture.simulator.endAccountFault(B, name);
        // An operator can release the account; a quota that ends at midnight would last longer than this test.
        if (name === 'dayQuota') await program.parts.catalogue.accounts.release(B, new Date());
        const rows = await untilEnded(program, held);
        assert.deepEqual(
          new Set(rows.map((row) => `${row.status} ${row.attempts}`)),
          new Set(['archived 1']),
        );
        assert.equal(said(B) - saidBefore, 1);
        assert.equal((await stateOf(B))?.heldUntil, undefined);
      });
    }

    it('asks WeChat for one item at a time while the fault lasts', async () => {
      fixture.simulator.beginAccountFault(B, { name: 'unauthorized' });
      const held = await accept(many(B, 20));
      await until('the hold', async () => (await stateOf(B))?.heldUntil);
      await until('all are back', async () => {
        const rows = await program.parts.database.query(
          'SELECT id FROM wma.media WHERE account = $1 AND stage = 2',
          [B],
        );
        return rows.length === 0;
      });
      const before = asked();
      const probes = async () =>
        (
          await program.parts.database.query<{ n: number }>(
            `SELECT count(*)::integer AS n FROM wma.attempt WHERE media = ANY($1) AND outcome = 'waited'`,
            [held],
          )
        )[0]!.n;
      const waitedBefore = await probes();
      await until('three probes', async () => (await probes()) >= waitedBefore + 3);
      const more = asked() - before;
      assert.ok(more <= 5, `${more} calls for 3 probes of 20 media`);
      fixture.simulator.endAccountFault(B);
      for (const row of await untilEnded(program, held))
        assert.equal(`${row.status} ${row.attempts}`, 'archived 1');
    });

    it('a hold by hand stays although a download that was running then succeeds', async () => {
      const { accounts } = program.parts.catalogue;
      const before = asked();
      const slow = receive(fixture.simulator, { account: B, fault: { name: 'slow', amount: 600 } });
      const [running] = await accept([slow]);
      await until('the download', async () => asked() > before);
      const why = { code: HELD_BY_HAND, class: 'account', by: 'ops', reason: 'maintenance' } as const;
      await accounts.holdByHand(B, new Date(Date.now() + 3_600_000), why, new Date());
      const [row] = await untilEnded(program, [running!]);
      assert.equal(row?.status, 'archived');
      assert.deepEqual((await stateOf(B))?.hold, why);
      const afterwards = asked();
      const [waiting] = await accept(many(B, 1));
      const [free] = await untilEnded(program, await accept(many(A, 1)));
      assert.equal(free?.status, 'archived');
      assert.equal((await program.parts.catalogue.media.get(waiting!))?.status, 'pending');
      assert.equal(asked() - afterwards, 1, 'nothing of the held account was asked for');
      await accounts.release(B, new Date());
      assert.equal((await untilEnded(program, [waiting!]))[0]?.status, 'archived');
    });

    once('saves the pictures by their link when the deadline comes before the hold is over', async () => {
      fixture.simulator.beginAccountFault(B, { name: 'dayQuota', amount: 0 });
      const picture = receive(fixture.simulator, { account: B, kind: 'image' });
      const voice = receive(fixture.simulator, { account: B });
      const held = await accept([
        { ...picture, picUrl: fixture.simulator.picUrl(picture.mediaId) },
        { ...voice, sentAt: picture.sentAt! },
      ]);
      const [saved] = await untilEnded(program, held.slice(0, 1), 40_000);
      assert.equal(saved?.status, 'archived', JSON.stringify(saved));
      assert.equal(saved.source, 'pic_url');
      assert.match(saved.objectKey!, /-pic\.\w+$/);
      const other = await program.parts.catalogue.media.get(held[1]!);
      assert.deepEqual([other?.status, other?.attempts], ['pending', 0], 'a voice has no link');
      assert.ok((await stateOf(B))?.heldUntil, 'a link proves nothing of the account');
    });
  });
}
