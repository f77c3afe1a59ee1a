import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { migrate } from '../../../src/catalogue/database/migrate.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';
import { at, HEARTBEAT, NOW, reference } from '../items.ts';

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
        const heartbeat = {
          ...HEARTBEAT,
          name: `host (${id})`,
          isWorker,
          clockAheadMs: aheadMs,
          conditions,
        };
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
      const { processes, workers } = await catalogue.processes.read([]);
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
      const without = (await catalogue.processes.read([])).workers;
      assert.equal(without.alive, 0);
      assert.ok(without.lastSeenMs! < 60_000, 'a was there until now');
      await age('a', 61);
      assert.ok((await catalogue.processes.read([])).workers.lastSeenMs! >= 61_000);
    });

    it('lists the processes with what they report, also those that ended or died within ten minutes', async () => {
      await database.query(`DELETE FROM ${SCHEMA}.process`);
      const more = { isWorker: true, clockAheadMs: undefined, conditions: [] };
      for (const id of ['alive', 'dead', 'left', 'forgotten'])
        await catalogue.processes.heartbeat(id, { ...HEARTBEAT, ...more, name: `host (${id})` });
      await database.query(
        `UPDATE ${SCHEMA}.process SET heartbeat_at = heartbeat_at - CASE id
           WHEN 'dead' THEN interval '20 s' WHEN 'forgotten' THEN interval '11 min' ELSE interval '0' END`,
      );
      await catalogue.processes.markLeft('left');
      const found = await catalogue.processes.list();
      assert.deepEqual(
        found.map(({ name, isAlive, inHand, leftAt }) => [name, isAlive, inHand, leftAt !== undefined]),
        [
          ['host (alive)', true, 2, false],
          ['host (dead)', false, 0, false],
          ['host (left)', false, 0, true],
        ],
      );
      const { program, version, startedAt, heartbeatAt } = found[0]!;
      assert.deepEqual([program, version], ['worker', '1.2.3']);
      assert.equal(Math.round((heartbeatAt.getTime() - startedAt.getTime()) / 1000), 60);
      await catalogue.processes.heartbeat('alive', {
        ...HEARTBEAT,
        ...more,
        name: 'host (alive)',
        uptimeMs: 63_000,
        inHand: 0,
      });
      const [again] = await catalogue.processes.list();
      assert.deepEqual([again?.startedAt, again?.inHand], [startedAt, 0]);
    });

    it('finds that a due item waits for a worker, unless its account or the store is held', async () => {
      await database.query(`DELETE FROM ${SCHEMA}.process`);
      const one = reference();
      await catalogue.accounts.ensure([one.account]);
      await catalogue.media.insert([one], NOW, false);
      const dueSince = async (accounts = [one.account]) =>
        (await catalogue.processes.read(accounts)).workers.dueSince;
      assert.deepEqual(await dueSince(), NOW, 'never claimed');
      assert.equal(await dueSince([]), undefined, 'no account is configured');
      await catalogue.accounts.hold(one.account, at(60_000), { code: 'x', class: 'account' }, NOW);
      assert.equal(await dueSince(), undefined, 'its account is held');
      await catalogue.accounts.endLapsedHold(one.account, at(120_000), at(120_000));
      assert.deepEqual(await dueSince(), NOW);
      await catalogue.storeHold.takeProbe('p', NOW, at(1_000));
      await catalogue.storeHold.probeFailed('p', at(1_000), { code: 'store_full', class: 'store' }, NOW);
      assert.equal(await dueSince(), undefined, 'the store is held');
      await database.query(`UPDATE ${SCHEMA}.store_hold SET since = NULL`);
      await database.query(`DELETE FROM ${SCHEMA}.media`);
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

    it('writes audit entries for holds and releases, by hand and by the program, with their reason', async () => {
      const { account } = reference();
      const { accounts, auditLog } = catalogue;
      await accounts.ensure([account]);
      const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 } as const;
      await accounts.hold(account, at(1000), why, NOW);
      await accounts.hold(account, at(2000), why, NOW);
      await accounts.endLapsedHold(account, at(500), at(500));
      await accounts.endLapsedHold(account, at(3000), at(3000));
      await accounts.holdByHand(
        account,
        at(9000),
        { code: 'held_by_hand', class: 'account', by: 'ops', reason: 'migration' },
        at(4000),
      );
      await accounts.release(account, at(5000), 'ops');
      await accounts.release(account, at(5000), 'ops');
      const entries = await auditLog.list({ target: account }, 50);
      assert.deepEqual(
        entries.reverse().map(({ action, actor, reason }) => [action, actor, reason]),
        [
          ['hold', 'worker', 'ip_not_allowed'],
          ['release', 'worker', 'WeChat answered for one of its media'],
          ['hold', 'ops', 'migration'],
          ['release', 'ops', undefined],
        ],
      );
    });
  });
}
