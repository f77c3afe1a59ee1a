/** Redrives of many dead letters by a filter: what they take, in which order, and what a crash leaves. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import type { RedriveFilter } from '../../../src/catalogue/redrive/filter.ts';
import type { RedriveRequest } from '../../../src/catalogue/redrive/redrives.ts';
import type { Failure } from '../../../src/failures.ts';
import { idOf, type Kind } from '../../../src/media.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, lifetimes, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(NOW.getTime() + ms);
const INVALID = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const;
const TOO_LARGE = { code: 'too_large', class: 'permanent_media' } as const;

interface DeadOptions {
  count?: number;
  failure?: Failure;
  kind?: Kind;
  to?: 'dead' | 'expired';
  sentAt?: Date;
  diedAt?: Date;
}

for (const backend of backends) {
  describe(`redriving many on ${backend.name}`, { skip: backend.skip }, () => {
    let bundle: Bundle;
    const cleanup = createCleanup();
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
    });
    after(() => cleanup.run());

    let serial = 0;
    const newAccount = () => `many-${serial++}`;
    const claim = async (account: string, now: Date) =>
      (await bundle.catalogue.queue.claim([{ account, capacity: 999 }], now, 999)).claimed;
    const fail = (
      job: { id: string; generation: number },
      now: Date,
      failure: Failure,
      to: 'dead' | 'expired',
    ) =>
      bundle.catalogue.outcomes.markFailed({ ...job, startedAt: now, endedAt: now }, failure, { to }, true);

    /** Media that failed for good; their ids in the order in which they were sent. */
    async function dead(account: string, options: DeadOptions = {}): Promise<string[]> {
      const {
        count = 1,
        failure = INVALID,
        kind = 'image',
        to = 'dead',
        sentAt = NOW,
        diedAt = NOW,
      } = options;
      const references = Array.from({ length: count }, (_, n) => ({
        account,
        mediaId: `m-${serial++}`,
        kind,
        sentAt: new Date(sentAt.getTime() + n),
      }));
      await bundle.catalogue.media.insert(references, diedAt, false);
      for (const job of await claim(account, diedAt)) assert.ok(await fail(job, diedAt, failure, to));
      return references.map(({ mediaId }) => idOf(account, mediaId));
    }

    const filterOf = (account: string, more: Partial<RedriveFilter> = {}): RedriveFilter => ({
      status: ['dead'],
      account: [account],
      ...more,
    });
    const ask = (filter: RedriveFilter, now: Date, more: Partial<RedriveRequest> = {}) =>
      bundle.catalogue.redrives.create({ filter, rate: 20, actor: 'ops', ...more }, now);
    /** Page after page, each when it is due. Answers what is pending by it, page by page. */
    async function workOff(id: string, now: Date, catalogue = bundle.catalogue): Promise<number[]> {
      const pages: number[] = [];
      for (;;) {
        const next = (await catalogue.redrives.listRunning(99)).find((one) => one.id === id);
        if (!next) return pages;
        const page = await catalogue.redrives.runPage(id, next.nextPageAt > now ? next.nextPageAt : now);
        assert.ok(page);
        pages.push(page.redriven);
      }
    }
    const statusesOf = async (ids: readonly string[]) =>
      Promise.all(ids.map(async (id) => (await bundle.catalogue.media.get(id))?.status));
    const all = (count: number, status: string) => Array.from({ length: count }, () => status);
    const countsOf = async (id: string) => {
      const { state, done, skipped, total } = (await bundle.catalogue.redrives.get(id))!;
      return { state, done, skipped, total };
    };

    it('makes all matching items pending at its rate and stores in each how often, by whom and why', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 25 });
      const { id, matched } = await ask(filterOf(account), at(1000), {
        reason: 'the id was right after all',
      });
      assert.equal(matched, 25);
      assert.deepEqual(await statusesOf(ids.slice(0, 1)), ['dead'], 'asked for is not done');
      assert.deepEqual(await workOff(id, at(1000)), [10, 10, 5]);
      assert.deepEqual(await statusesOf(ids), all(25, 'pending'));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 25, skipped: 0, total: 25 });
      const row = await bundle.catalogue.media.get(ids[0]!);
      assert.equal(row?.redrives, 1);
      assert.deepEqual(row.lastRedrive, {
        at: at(1000).toISOString(),
        by: 'ops',
        reason: 'the id was right after all',
        redrive: id,
      });
      const events = await bundle.catalogue.auditLog.list({ target: id }, 9);
      assert.deepEqual(
        events.map(({ action, actor, reason }) => [action, actor, reason]),
        [['redrive', 'ops', 'the id was right after all']],
      );
      // Half a second of media in a page, and half a second between two.
      const ended = (await bundle.catalogue.redrives.get(id))!.endedAt!;
      assert.equal(ended.getTime() - at(1000).getTime(), 1000);
    });

    it('takes no item that died after it was created and none twice', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 12 });
      const { id } = await ask(filterOf(account), at(1000));
      const late = await dead(account, { count: 3, sentAt: at(-HOUR_MS), diedAt: at(2000) });
      assert.equal((await bundle.catalogue.redrives.runPage(id, at(3000)))?.redriven, 10);
      // WeChat refuses again, before the rest has had its turn.
      for (const job of await claim(account, at(3000))) await fail(job, at(3000), INVALID, 'dead');
      assert.deepEqual(await workOff(id, at(4000)), [2]);
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => row?.redrives),
        ids.map(() => 1),
      );
      assert.deepEqual(await statusesOf(late), all(3, 'dead'));
    });

    it('takes items first that WeChat still has, the nearest deadline before the others', async () => {
      const account = newAccount();
      const old = await dead(account, { count: 2, sentAt: at(-100 * HOUR_MS) });
      const fresh = await dead(account, { count: 2, sentAt: at(-HOUR_MS) });
      const near = await dead(account, { count: 2, sentAt: at(-70 * HOUR_MS) });
      const gone = await dead(account, { count: 2, sentAt: at(-90 * HOUR_MS), to: 'expired' });
      const both = filterOf(account, { status: ['dead', 'expired'] });
      const { id } = await ask(both, at(1000), { rate: 2 });
      const order: string[] = [];
      const left = new Set([...old, ...fresh, ...near, ...gone]);
      for (let n = 0; n < 20 && left.size > 0; n++) {
        await bundle.catalogue.redrives.runPage(id, at(2000 + 1000 * n));
        for (const one of left) {
          if ((await bundle.catalogue.media.get(one))?.status !== 'pending') continue;
          left.delete(one);
          order.push(one);
        }
      }
      assert.deepEqual(order, [...near, ...fresh, ...old, ...gone]);
    });

    it('takes expired items if the filter has them and gives them the closing window for one more attempt', async () => {
      const account = newAccount();
      const [gone] = (await dead(account, { to: 'expired', sentAt: at(-90 * HOUR_MS) })) as [string];
      assert.equal((await ask(filterOf(account), at(1000))).matched, 0, 'dead ones only');
      const { id } = await ask(filterOf(account, { status: ['expired'] }), at(1000));
      await workOff(id, at(2000));
      const row = await bundle.catalogue.media.get(gone);
      assert.deepEqual([row?.status, row?.closesAt], ['pending', at(2000 + 2 * HOUR_MS)]);
      const [job] = await claim(account, at(3000));
      await fail(job!, at(3000), INVALID, 'expired');
      assert.equal((await bundle.catalogue.media.get(gone))?.status, 'expired');
      assert.deepEqual((await countsOf(id)).state, 'done');
      // Again and again, it is the same window.
      assert.ok(await bundle.catalogue.redrives.redriveOne(gone, at(HOUR_MS), { actor: 'ops', force: true }));
      assert.deepEqual((await bundle.catalogue.media.get(gone))?.closesAt, at(3 * HOUR_MS));
      assert.equal((await bundle.catalogue.media.get(gone))?.redrives, 2);
    });

    it('counts items as skipped that are archived, pending or erased when their page comes', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 5 });
      const { id } = await ask(filterOf(account), at(1000));
      await bundle.catalogue.redrives.redriveOne(ids[0]!, at(1500), { actor: 'somebody' });
      await bundle.database.query(
        `UPDATE ${SCHEMA}.media SET status = 'archived', failure = NULL, archived_at = $2 WHERE id = $1`,
        [ids[1], at(1500)],
      );
      await workOff(id, at(2000));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 3, skipped: 2, total: 5 });
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => [row?.status, row?.lastRedrive?.by]),
        [['pending', 'somebody'], ['archived', undefined], ...ids.slice(2).map(() => ['pending', 'ops'])],
      );
    });

    it('takes each item once when two redrives match the same items', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 40 });
      const [first, second] = await Promise.all([
        ask(filterOf(account), at(1000)),
        ask(filterOf(account, { errcode: [40007] }), at(1000)),
      ]);
      await Promise.all([workOff(first.id, at(2000)), workOff(second.id, at(2000))]);
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => row?.redrives),
        ids.map(() => 1),
      );
      const [one, other] = [await countsOf(first.id), await countsOf(second.id)];
      assert.equal(one.done + other.done, 40);
      assert.equal(one.done + one.skipped, 40);
      assert.equal(other.done + other.skipped, 40);
    });

    it('continues where it was after a process died in the middle of a page', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 25 });
      const { id } = await ask(filterOf(account), at(1000));
      await bundle.catalogue.redrives.runPage(id, at(2000));
      const dying = createCatalogue(
        {
          ...bundle.database,
          transaction: (work) =>
            bundle.database.transaction(async (transaction) => {
              await work(transaction);
              throw new Error('killed');
            }),
        },
        SCHEMA,
        lifetimes,
      );
      await assert.rejects(dying.redrives.runPage(id, at(3000)), /killed/);
      assert.deepEqual(await countsOf(id), { state: 'running', done: 10, skipped: 0, total: 25 });
      assert.equal((await statusesOf(ids)).filter((status) => status === 'pending').length, 10);
      assert.deepEqual(await workOff(id, at(3000)), [10, 5]);
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => row?.redrives),
        ids.map(() => 1),
      );
    });

    it('gives two processes at the same time two pages, or one of them none', async () => {
      const account = newAccount();
      await dead(account, { count: 30 });
      const { id } = await ask(filterOf(account), at(1000));
      const pages = await Promise.all([1, 2, 3].map(() => bundle.catalogue.redrives.runPage(id, at(2000))));
      assert.deepEqual(pages.map((page) => page?.redriven).sort(), [10, undefined, undefined]);
      assert.equal((await countsOf(id)).done, 10);
      await bundle.catalogue.redrives.stop(id, 'ops', at(3000));
    });

    it('stops between two pages, once, and writes who stopped it', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 15 });
      const { id } = await ask(filterOf(account), at(1000));
      await bundle.catalogue.redrives.runPage(id, at(2000));
      assert.equal(await bundle.catalogue.redrives.stop(id, 'boss', at(2100)), true);
      assert.equal(await bundle.catalogue.redrives.stop(id, 'boss', at(2100)), false);
      assert.equal(await bundle.catalogue.redrives.runPage(id, at(9000)), undefined);
      assert.deepEqual(await countsOf(id), { state: 'stopped', done: 10, skipped: 0, total: 15 });
      assert.equal((await statusesOf(ids)).filter((status) => status === 'dead').length, 5);
      const [stop] = await bundle.catalogue.auditLog.list({ target: id }, 1);
      assert.deepEqual([stop?.action, stop?.actor], ['redrive.stop', 'boss']);
    });

    it('takes no more items than its limit', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 8 });
      const { id, matched } = await ask(filterOf(account), at(1000), { limit: 5 });
      assert.equal(matched, 8);
      await workOff(id, at(2000));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 5, skipped: 0, total: 5 });
      assert.deepEqual(await statusesOf(ids), [...all(5, 'pending'), ...all(3, 'dead')]);
    });

    it('is done at once if nothing matches', async () => {
      const { id } = await ask(filterOf(newAccount()), at(1000));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 0, skipped: 0, total: 0 });
    });

    it('filters by account, errcode, code, class, kind and both times, and previews what it would take', async () => {
      const [one, other] = [newAccount(), newAccount()];
      await dead(one, { count: 3 });
      await dead(one, { count: 2, failure: TOO_LARGE, kind: 'video' });
      await dead(other, { failure: { code: 'odd', class: 'unknown', errcode: 7 }, sentAt: at(-5 * HOUR_MS) });
      await dead(other, { diedAt: at(5000) });
      const never = { account: one, mediaId: 'msg:1', kind: 'file', sentAt: NOW } as const;
      await bundle.catalogue.media.insert([never], NOW, false);
      const count = async (more: Partial<RedriveFilter>) => {
        const filter: RedriveFilter = { status: ['dead'], account: [one, other], ...more };
        const { matched } = await bundle.catalogue.redrives.preview(filter, at(9000));
        const asked = await ask(filter, at(9000));
        assert.equal(asked.matched, matched);
        await bundle.catalogue.redrives.stop(asked.id, 'ops', at(9000));
        return matched;
      };
      const iso = (ms: number) => at(ms).toISOString();
      assert.deepEqual(
        [
          await count({}),
          await count({ account: [one] }),
          await count({ errcode: [40007] }),
          await count({ errcode: [40007, 7] }),
          await count({ code: ['too_large'] }),
          await count({ class: ['unknown'] }),
          await count({ kind: ['video'] }),
          await count({ failedFrom: iso(5000) }),
          await count({ failedTo: iso(5000) }),
          await count({ sentTo: iso(-HOUR_MS) }),
          await count({ sentFrom: iso(-HOUR_MS), kind: ['image'] }),
          await count({ status: ['expired'] }),
        ],
        [7, 5, 4, 5, 2, 1, 2, 1, 6, 1, 4, 0],
      );
      const { groups } = await bundle.catalogue.redrives.preview(filterOf(one), at(9000));
      assert.deepEqual(
        groups.map((group) => [group.code, group.errcode, group.class, group.count]),
        [
          ['invalid_media_id', 40007, 'permanent_media', 3],
          ['too_large', undefined, 'permanent_media', 2],
        ],
      );
    });

    it('shows a redrive only to keys that may see all of its accounts', async () => {
      const account = newAccount();
      const { id } = await ask(filterOf(account), at(1000));
      const { id: everything } = await ask({ status: ['dead'], code: ['nothing'] }, at(1000));
      const { redrives, auditLog: events } = bundle.catalogue;
      assert.ok(await redrives.get(id, [account, 'other']));
      assert.equal(await redrives.get(id, ['other']), undefined);
      assert.equal(await redrives.get(everything, [account]), undefined);
      assert.deepEqual(
        (await redrives.list(50, [account])).map((one) => one.id),
        [id],
      );
      assert.deepEqual(
        (await events.list({ accounts: [account] }, 50)).map((one) => one.target),
        [id],
      );
      assert.deepEqual(await events.list({ accounts: ['other'], target: id }, 50), []);
    });

    it('writes audit entries for holds and releases, by hand and by the program, with their reason', async () => {
      const account = newAccount();
      const { accounts, auditLog: events } = bundle.catalogue;
      await accounts.ensure([account]);
      const why = { code: 'ip_not_allowed', class: 'account', errcode: 40164 } as const;
      await accounts.hold(account, at(1000), why, NOW);
      await accounts.hold(account, at(2000), why, NOW);
      await accounts.endLapsedHold(account, at(500));
      await accounts.endLapsedHold(account, at(3000));
      await accounts.holdByHand(
        account,
        at(9000),
        { code: 'held_by_hand', class: 'account', by: 'ops', reason: 'migration' },
        at(4000),
      );
      await accounts.release(account, at(5000), 'ops');
      await accounts.release(account, at(5000), 'ops');
      const noted = await events.list({ target: account }, 50);
      assert.deepEqual(
        noted.reverse().map(({ action, actor, reason }) => [action, actor, reason]),
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
