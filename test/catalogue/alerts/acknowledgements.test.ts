/** Acknowledgements on each engine: what is counted before and after, and what two transactions at once do. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AcknowledgementBlockedError } from '../../../src/catalogue/alerts/acknowledgements.ts';
import type { Queryable } from '../../../src/catalogue/database/database.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, SCHEMA, setup } from '../backends.ts';
import { HOUR_MS } from '../items.ts';

const DAY_MS = 24 * HOUR_MS;
const ago = (ms: number) => new Date(Date.now() - ms);

for (const { name, skip, open } of backends) {
  describe(`acknowledgements on ${name}`, { skip }, () => {
    let bundle: Bundle;
    let serial = 0;
    const cleanup = createCleanup();
    before(async () => {
      bundle = (await setup(cleanup.hooks, open)) as Bundle;
    });
    after(() => cleanup.run());

    /** Inserts a pending item. Returns its id. */
    async function insertPending(account: string, database: Queryable = bundle.database): Promise<string> {
      const id = `item-${++serial}`;
      await database.query(
        `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, sent_at, expires_at, closes_at, status, stage,
           created_at, updated_at)
         VALUES ($1, $2, $1, 'image', $3, $3, $3, 'pending', 0, $3, $3)`,
        [id, account, ago(100 * DAY_MS)],
      );
      return id;
    }
    /** Closes it as a process does whose clock says `at`. */
    const close = (id: string, status: string, at: Date, database: Queryable = bundle.database) =>
      database.query(`UPDATE ${SCHEMA}.media SET status = $2, stage = NULL, updated_at = $3 WHERE id = $1`, [
        id,
        status,
        at,
      ]);
    async function insertClosed(account: string, status: 'dead' | 'expired', at: Date): Promise<string> {
      const id = await insertPending(account);
      await close(id, status, at);
      return id;
    }
    const countOf = async (status: 'dead' | 'expired', ...accounts: string[]) =>
      (await bundle.catalogue.alertFacts.unacknowledged(status, { accounts })).count;
    const acknowledge = (status: 'dead' | 'expired', accounts?: readonly string[]) =>
      bundle.catalogue.acknowledgements.acknowledge(
        { status, accounts, actor: 'ops', reason: 'seen' },
        new Date(),
      );

    it('keeps closed items in sight however old they are, until their account is acknowledged', async () => {
      await insertClosed('a', 'expired', ago(90 * DAY_MS));
      await insertClosed('a', 'expired', ago(1));
      await insertClosed('a', 'dead', ago(90 * DAY_MS));
      await insertClosed('b', 'expired', ago(90 * DAY_MS));
      const { firstAt } = await bundle.catalogue.alertFacts.unacknowledged('expired', { accounts: ['a'] });
      assert.ok(firstAt && firstAt < ago(89 * DAY_MS));
      assert.equal(await countOf('expired', 'a', 'b'), 3);
      const recent = await bundle.catalogue.alertFacts.unacknowledged('expired', {
        after: ago(6 * HOUR_MS),
        accounts: ['a', 'b'],
      });
      assert.equal(recent.count, 1);

      const [done, ...others] = await acknowledge('expired', ['a']);
      assert.deepEqual([done?.account, done?.count, others], ['a', 2, []]);
      assert.equal(await countOf('expired', 'a'), 0);
      assert.equal(await countOf('expired', 'b'), 1, 'another account');
      assert.equal(await countOf('dead', 'a'), 1, 'another status');
      assert.deepEqual(await acknowledge('expired', ['a']), [], 'nothing is left to acknowledge');
    });

    it('writes who acknowledged what, and why, into the audit log of the account', async () => {
      await insertClosed('audited', 'dead', ago(1));
      await acknowledge('dead', ['audited']);
      await acknowledge('dead', ['audited']);
      const entries = await bundle.catalogue.auditLog.list({ target: 'audited', accounts: ['audited'] }, 10);
      assert.deepEqual(
        entries.map(({ actor, action, accounts, reason, detail }) => [
          actor,
          action,
          accounts,
          reason,
          detail,
        ]),
        [['ops', 'acknowledge', ['audited'], 'seen', { status: 'dead', count: 1 }]],
      );
    });

    it('acknowledges every account with closed items if none is named', async () => {
      for (const account of ['m', 'n', 'o']) await insertClosed(account, 'dead', ago(1));
      const done = await acknowledge('dead');
      for (const account of ['m', 'n', 'o']) assert.ok(done.some((one) => one.account === account));
      assert.equal((await bundle.catalogue.alertFacts.unacknowledged('dead')).count, 0);
    });

    it('shows an item that closes afterwards, also if the clock of its process is behind', async () => {
      await insertClosed('late', 'expired', ago(1));
      const id = await insertPending('late');
      await acknowledge('expired', ['late']);
      await close(id, 'expired', ago(HOUR_MS));
      assert.equal(await countOf('expired', 'late'), 1);
      await acknowledge('expired', ['late']);
      assert.equal(await countOf('expired', 'late'), 0);
    });

    it('acknowledges an item whose process has a clock ahead of the database', async () => {
      await insertClosed('ahead', 'expired', new Date(Date.now() + HOUR_MS));
      await acknowledge('expired', ['ahead']);
      assert.equal(await countOf('expired', 'ahead'), 0);
      await insertClosed('ahead', 'expired', new Date());
      assert.equal(await countOf('expired', 'ahead'), 1);
    });

    it('counts no item that is redriven or erased, and one again that closes again', async () => {
      const id = await insertClosed('redriven', 'expired', ago(1));
      await acknowledge('expired', ['redriven']);
      await bundle.catalogue.redrives.redriveOne(id, new Date(), { actor: 'ops', force: true });
      await close(id, 'expired', new Date());
      assert.equal(await countOf('expired', 'redriven'), 1);
      await bundle.catalogue.mediaErasure.erase([id], { actor: 'ops' }, new Date());
      assert.equal(await countOf('expired', 'redriven'), 0);
    });

    it('counts rows that are inserted as dead', async () => {
      await bundle.database.query(
        `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, sent_at, expires_at, closes_at, status, created_at,
           updated_at) VALUES ('born-dead', 'born', 'x', 'file', now(), now(), now(), 'dead', now(), now())`,
      );
      assert.equal(await countOf('dead', 'born'), 1);
    });

    if (name !== 'Postgres') return;

    /** Runs a transaction that has done `work` and waits. `commit` ends it. */
    async function beginTransaction(work: (transaction: Queryable) => Promise<unknown>) {
      const ready = Promise.withResolvers<void>();
      const end = Promise.withResolvers<void>();
      const ended = bundle.database.transaction(async (transaction) => {
        await work(transaction);
        ready.resolve();
        await end.promise;
      });
      await ready.promise;
      return {
        commit: async () => {
          end.resolve();
          await ended;
        },
      };
    }

    it('waits for a transaction that has closed an item and commits later', async () => {
      const id = await insertPending('in-flight');
      const closing = await beginTransaction((transaction) => close(id, 'expired', ago(1_000), transaction));
      let isDone = false;
      const acknowledging = acknowledge('expired', ['in-flight']).then((done) => {
        isDone = true;
        return done;
      });
      await untilBlocked();
      assert.equal(isDone, false);
      await closing.commit();
      assert.deepEqual(
        (await acknowledging).map(({ account, count }) => [account, count]),
        [['in-flight', 1]],
      );
    });

    it('changes nothing, and says so, if such a transaction does not end', async () => {
      await insertClosed('blocked', 'expired', ago(1));
      const id = await insertPending('blocked');
      const closing = await beginTransaction((transaction) => close(id, 'expired', ago(1_000), transaction));
      await assert.rejects(acknowledge('expired', ['blocked']), AcknowledgementBlockedError);
      await closing.commit();
      assert.equal(await countOf('expired', 'blocked'), 2);
    });

    /** Resolves once a session waits for an advisory lock. */
    async function untilBlocked(): Promise<void> {
      for (;;) {
        const [row] = await bundle.database.query<{ n: string }>(
          `SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
        );
        if (row?.n !== '0') return;
      }
    }

    it('stops counting at 10,000 items, and acknowledges more', async () => {
      await bundle.database.transaction(async (transaction) => {
        await transaction.query(`SET LOCAL session_replication_role = replica`);
        await transaction.query(
          `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, sent_at, expires_at, closes_at, status, created_at,
             updated_at, closed_at)
           SELECT 'big-' || n, 'big' || n % 100, 'x', 'image', now(), now(), now(), 'dead', now(), now(),
             now() - interval '1 second' * (n % 1000)
           FROM generate_series(1, 50000) AS n`,
        );
      });
      await bundle.database.query(`ANALYZE ${SCHEMA}.media`);
      const { count } = await bundle.catalogue.alertFacts.unacknowledged('dead');
      assert.equal(count, 10_000, 'counting is bounded');
      const done = await acknowledge('dead');
      assert.equal(done.filter(({ account }) => account.startsWith('big')).length, 100);
      assert.equal((await bundle.catalogue.alertFacts.unacknowledged('dead')).count, 0);
    });
  });
}
