import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { migrate } from '../../../src/catalogue/database/migrate.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';
import { at, NOW, reference } from '../items.ts';

for (const backend of backends) {
  describe(`accounts and processes on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    it('replaces a token by compare-and-set, and leases lapse', async () => {
      const { tokens } = catalogue.accounts;
      const account = 'token-account';
      const token = (fingerprint: string) => ({
        encrypted: 's',
        fingerprint,
        issuedAt: NOW,
        expiresAt: at(1000),
      });
      assert.equal(await tokens.takeLease(account, 'p1', NOW, at(100)), true);
      assert.equal(await tokens.takeLease(account, 'p2', NOW, at(100)), false);
      assert.equal(await tokens.takeLease(account, 'p2', at(100), at(200)), true);
      assert.equal(await tokens.write(account, token('one'), null), true);
      assert.equal(await tokens.write(account, token('two'), null), false);
      assert.equal(await tokens.write(account, token('two'), 'one'), true);
      assert.equal((await tokens.read(account))?.fingerprint, 'two');
      assert.equal(await catalogue.leases.take('sweep', 'a', NOW, at(10)), true);
      assert.equal(await catalogue.leases.take('sweep', 'b', NOW, at(10)), false);
      await catalogue.leases.drop('sweep', 'a');
      assert.equal(await catalogue.leases.take('sweep', 'b', NOW, at(10)), true);
    });

    it('finds live workers by the clock of the database, whatever their own clocks are', async () => {
      const beat = async (id: string, aheadMs?: number, isWorker = true) => {
        const conditions = [{ code: 'worker_quiet', since: NOW, count: 2, detail: { n: 1 } }];
        const heartbeat = { name: `host (${id})`, isWorker, clockAheadMs: aheadMs, conditions };
        const { live, rank } = await catalogue.processes.heartbeat(id, heartbeat);
        return { live, rank };
      };
      const age = (id: string, seconds: number) =>
        database.query(
          `UPDATE ${SCHEMA}.process SET heartbeat_at = heartbeat_at - $2 * interval '1 s' WHERE id = $1`,
          [id, seconds],
        );
      const FOUR_DAYS_MS = 4 * 86_400_000;
      assert.deepEqual(await beat('b', FOUR_DAYS_MS), { live: 1, rank: 0 });
      assert.deepEqual(await beat('a'), { live: 2, rank: 0 });
      await beat('server', 0, false);
      assert.deepEqual(await beat('b', FOUR_DAYS_MS), { live: 2, rank: 1 });
      const { processes, workers } = await catalogue.processes.read();
      assert.deepEqual(workers, { alive: 2 });
      assert.deepEqual(
        processes.map(({ name, clockAheadMs }) => [name, clockAheadMs]),
        [
          ['host (a)', undefined],
          ['host (b)', FOUR_DAYS_MS],
          ['host (server)', 0],
        ],
      );
      assert.deepEqual(processes[0]?.conditions, [
        { code: 'worker_quiet', since: NOW, count: 2, detail: { n: 1 } },
      ]);
      await age('a', 16);
      assert.deepEqual(await beat('b'), { live: 1, rank: 0 }, 'a has died');
      await beat('a');
      await catalogue.processes.markLeft('a');
      assert.deepEqual(await beat('b'), { live: 1, rank: 0 }, 'a has left');
      await age('b', 61);
      const without = (await catalogue.processes.read()).workers;
      assert.equal(without.alive, 0);
      assert.ok(without.lastSeenMs! < 60_000, 'a was there until now');
      await age('a', 61);
      assert.ok((await catalogue.processes.read()).workers.lastSeenMs! >= 61_000);
    });

    it('lets one reader at a time continue a customer-service account from its cursor', async () => {
      const { kfCursors } = catalogue;
      const take = (ms: number, readBefore = -1) =>
        kfCursors.claim(['ww1'], at(ms), at(ms + 1000), at(readBefore));
      const failure = { code: 'network', class: 'transient' } as const;
      await kfCursors.requestRead('ww1', 'wk1', 'ciphertext', NOW);
      assert.equal(await kfCursors.claim(['ww2'], NOW, at(1000), NOW), undefined, 'of another account');
      const first = await take(0);
      const wanted = { account: 'ww1', openKfId: 'wk1', requestedAt: NOW, tokenCiphertext: 'ciphertext' };
      assert.deepEqual(first, { ...wanted, failures: 0 });
      assert.equal(await take(999), undefined, 'another process reads it');
      await kfCursors.markFailed(
        first!,
        failure,
        { until: at(500), ofAccount: false, dropToken: false },
        at(400),
      );
      assert.equal(await take(499), undefined, 'it waits after a failure');
      const second = await take(500);
      assert.deepEqual(second, { ...wanted, failures: 1, failure }, 'the token is kept');
      await kfCursors.markFailed(
        second!,
        failure,
        { until: at(2000), ofAccount: false, dropToken: true },
        at(600),
      );
      const { tokenCiphertext: _, ...untold } = wanted;
      const third = await take(2000);
      assert.deepEqual(third, { ...untold, failures: 2, failure }, 'a token that failed is not');
      assert.deepEqual(await kfCursors.list(['ww1']), [
        { account: 'ww1', openKfId: 'wk1', failure, failingSince: at(400) },
      ]);
      const page = { references: [reference({ account: 'ww1' })], nextCursor: 'c1' };
      assert.equal((await kfCursors.commitPage(third!, page, at(2000)))?.[0]?.created, true);
      assert.equal(await kfCursors.commitPage(third!, page, at(2000)), undefined, 'the cursor has moved');
      assert.deepEqual(await kfCursors.list(['ww1']), [
        { account: 'ww1', openKfId: 'wk1', readAt: at(2000) },
      ]);
      assert.equal(await take(9000), undefined, 'all is read');
      const hourly = await take(9000, 2000);
      assert.deepEqual(
        hourly,
        { account: 'ww1', openKfId: 'wk1', cursor: 'c1', failures: 0 },
        'not for long',
      );
      await kfCursors.release(hourly!);
      await kfCursors.requestRead('ww1', 'wk1', 'newer', at(9000));
      assert.equal((await take(9000))?.cursor, 'c1');
    });

    it('delays all customer-service accounts of an account that is refused, and none because of a wrong clock', async () => {
      const { kfCursors } = catalogue;
      const take = (account: string, ms: number) =>
        kfCursors.claim([account], at(ms), at(ms + 10), at(-1)).then((taken) => taken?.openKfId);
      const refused = { code: 'api_unauthorized', class: 'account', errcode: 48002 } as const;
      for (const openKfId of ['wk1', 'wk2']) await kfCursors.requestRead('ww3', openKfId, 'ciphertext', NOW);
      const one = await kfCursors.claim(['ww3'], NOW, at(10), at(-1));
      await kfCursors.markFailed(
        one!,
        refused,
        { until: at(300_000), ofAccount: true, dropToken: false },
        NOW,
      );
      assert.equal(await take('ww3', 299_999), undefined);
      await kfCursors.retryNow('ww3');
      assert.equal(await take('ww3', 20), one!.openKfId, 'released, the one that failed is claimed');
      assert.equal(await take('ww3', 20), undefined);
      assert.ok(await take('ww3', 300_000));

      await kfCursors.requestRead('ww4', 'wk1', 'ciphertext', NOW);
      const ahead = await kfCursors.claim(['ww4'], at(4 * 86_400_000), at(4 * 86_400_000 + 60_000), NOW);
      assert.equal(ahead?.openKfId, 'wk1', 'by a clock four days ahead');
      assert.equal(await take('ww4', 1), 'wk1', 'it delays no other account');
    });

    it('keeps the newest encrypted secret of a name', async () => {
      assert.equal(await catalogue.encryptedSecrets.read('ticket'), undefined);
      await catalogue.encryptedSecrets.write('ticket', 'first', NOW);
      await catalogue.encryptedSecrets.write('ticket', 'second', at(1));
      assert.equal(await catalogue.encryptedSecrets.read('ticket'), 'second');
    });

    it('migrates once, also when many processes start at the same time', async () => {
      const applied = await Promise.all([1, 2, 3].map(() => migrate(database, 'wma_twice', NOW)));
      const all = await readdir(new URL('../../../src/catalogue/migrations/', import.meta.url));
      assert.deepEqual(applied.flat(), all.sort());
      assert.deepEqual(await migrate(database, 'wma_twice', NOW), []);
    });
  });
}
