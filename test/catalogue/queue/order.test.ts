/** Accounts take turns, and the nearest deadline of each goes first, however an item became due. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const LATER = new Date(NOW.getTime() + 3_600_000);
const ACCOUNTS = ['wx-a', 'wx-b', 'wx-c'];
const EACH = 12;
const WINDOW = 1_000;
const FAILURE = { code: 'network', class: 'transient' } as const;

for (const backend of backends) {
  describe(`order on ${backend.name}`, { skip: backend.skip }, () => {
    const cleanup = createCleanup();
    let bundle: Bundle;
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
      await bundle.catalogue.accounts.ensure(ACCOUNTS);
    });
    after(() => cleanup.run());

    /** Rows of every account, their deadlines in no order of insertion. */
    async function fill(): Promise<void> {
      const { database } = bundle;
      await database.query(`TRUNCATE ${SCHEMA}.media, ${SCHEMA}.media_count`);
      await database.query(
        `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, sent_at, expires_at, closes_at, stage, created_at, updated_at)
         SELECT 'm_' || md5(account || n), account, 'media-' || n, 'image', at, at + interval '72 h', at + interval '74 h', 1, at, at
         FROM unnest($1::text[]) AS account, generate_series(1, ${EACH}) AS n,
           LATERAL (SELECT $2::timestamptz - interval '1 minute' * (n * 7919 % 1000) AS at) AS sent`,
        [ACCOUNTS, NOW],
      );
    }
    const claim = (capacity: number, now = LATER) =>
      bundle.catalogue.queue.claim(
        ACCOUNTS.map((account) => ({ account, capacity })),
        now,
        WINDOW,
      );

    /** Claims everything, a few rows at a time, as the dispatcher does. */
    async function inOrder(): Promise<void> {
      const taken: { account: string; sentAtMs: number }[] = [];
      for (let generation = 1; taken.length < ACCOUNTS.length * EACH; generation++) {
        const { claimed: jobs } = await claim(3 * generation);
        assert.ok(jobs.length > 0, `${taken.length} taken, and no more`);
        taken.push(...jobs.map(({ reference }) => ({ ...reference, sentAtMs: reference.sentAt.getTime() })));
      }
      const turns = taken.map(({ account }) => account);
      assert.deepEqual(
        turns,
        turns.map((_, place) => ACCOUNTS[place % ACCOUNTS.length]),
        'accounts take turns',
      );
      for (const account of ACCOUNTS) {
        const deadlines = taken.filter((one) => one.account === account).map(({ sentAtMs }) => sentAtMs);
        assert.deepEqual(
          deadlines,
          deadlines.toSorted((a, b) => a - b),
          'the nearest deadline first',
        );
      }
    }

    const settleAll = async (next: Parameters<Bundle['catalogue']['outcomes']['markFailed']>[2]) => {
      const { claimed: jobs } = await claim(EACH, NOW);
      for (const job of jobs)
        await bundle.catalogue.outcomes.markFailed(
          { ...job, startedAt: NOW, endedAt: NOW },
          FAILURE,
          next,
          true,
        );
    };

    const ways: Record<string, () => Promise<void>> = {
      'new media': async () => {},
      'media rescued from a lost queue': async () => {
        await claim(EACH, NOW);
        const lost = await bundle.catalogue.queue.listClaimedBefore(LATER, WINDOW);
        assert.equal(await bundle.catalogue.queue.requeue(lost), ACCOUNTS.length * EACH);
      },
      'media whose long backoff is over': async () => {
        await settleAll({ to: 'later', at: LATER, reason: 'retry' });
        await bundle.catalogue.queue.promote(LATER, WINDOW);
      },
      'media of accounts that were held and are released': async () => {
        const why = { code: 'held_by_hand', class: 'account', by: 'test', reason: 'a test' } as const;
        const { claimed: jobs } = await claim(EACH / 2, NOW);
        for (const account of ACCOUNTS) await bundle.catalogue.accounts.holdByHand(account, LATER, why, NOW);
        for (const job of jobs) assert.ok(await bundle.catalogue.queue.requeueHeld(job));
        assert.equal((await claim(EACH, NOW)).claimed.length, 0);
        for (const account of ACCOUNTS) await bundle.catalogue.accounts.release(account, NOW);
      },
      'media of a store that was held': async () => {
        const { storeHold } = bundle.catalogue;
        const { claimed: jobs } = await claim(EACH / 2, NOW);
        await storeHold.takeProbe('a', NOW, LATER);
        await storeHold.probeFailed('a', NOW, { code: 'store_refused', class: 'store' }, NOW);
        for (const job of jobs) assert.ok(await storeHold.requeue(job));
        await storeHold.takeProbe('a', NOW, LATER);
        await storeHold.probeSucceeded('a', NOW, NOW);
      },
      'media redriven': async () => {
        await settleAll({ to: 'dead' });
        const rows = await bundle.database.query<{ id: string }>(
          `SELECT id FROM ${SCHEMA}.media ORDER BY id`,
        );
        for (const { id } of rows)
          assert.ok(await bundle.catalogue.redrives.redriveOne(id, NOW, { actor: 'test' }));
      },
    };
    for (const [what, comeBack] of Object.entries(ways)) {
      it(`claims ${what} account by account in turn, and by deadline`, async () => {
        await fill();
        await comeBack();
        await inOrder();
      });
    }
  });
}
