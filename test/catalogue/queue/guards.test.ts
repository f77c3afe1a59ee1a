/** Conditions in statements that matter only for a row in an unusual state. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HELD_BY_HAND } from '../../../src/catalogue/accounts/accounts.ts';
import { type Catalogue, createCatalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import type { MediaFilter } from '../../../src/catalogue/media/filter.ts';
import type { Reference } from '../../../src/media.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, lifetimes, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const INVALID = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const;
const STORED = {
  bucket: 'b',
  objectKey: 'k.jpg',
  sizeBytes: 7,
  sha256: 'a'.repeat(64),
  contentType: 'image/jpeg',
  source: 'media_get',
  lengthVerified: true,
} as const;

for (const backend of backends) {
  describe(`the guards of statements on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    let serial = 0;
    const newAccount = () => `guard-${serial++}`;
    async function claimed(account: string, more: Partial<Reference> = {}) {
      const one = { account, mediaId: `g-${serial++}`, kind: 'image', sentAt: NOW, ...more } as const;
      const [accepted] = await catalogue.media.insert([one], NOW, false);
      const { claimed: jobs } = await catalogue.queue.claim([{ account, capacity: 99 }], NOW, 99);
      const { id, generation } = jobs.find((job) => job.id === accepted!.id)!;
      return { id, generation, startedAt: NOW, endedAt: at(1) };
    }
    async function archived(account: string, stored: Partial<typeof STORED> | { sha256: string } = {}) {
      const job = await claimed(account);
      await catalogue.outcomes.reserve(job, { bucket: 'b', objectKey: 'k.jpg' }, NOW);
      assert.ok(await catalogue.outcomes.markArchived(job, { ...STORED, ...stored }));
      return job.id;
    }
    async function dead(account: string, diedAt: Date, sentAt = NOW) {
      const job = await claimed(account, { sentAt });
      assert.ok(
        await catalogue.outcomes.markFailed({ ...job, endedAt: diedAt }, INVALID, { to: 'dead' }, true),
      );
      return job.id;
    }
    const statusOf = async (id: string) => (await catalogue.media.get(id))?.status;

    it('an erased item has no log of attempts', async () => {
      const id = await archived(newAccount());
      assert.equal((await catalogue.media.attempts(id)).length, 1);
      await catalogue.mediaErasure.erase([id], { actor: 'a' }, at(5));
      assert.deepEqual(await catalogue.media.attempts(id), []);
    });

    it('the filter by sha256 finds the item with that digest and no other', async () => {
      const account = newAccount();
      const [first, second] = ['1'.repeat(64), '2'.repeat(64)];
      const id = await archived(account, { sha256: first });
      await archived(account, { sha256: second });
      const find = async (sha256: string) =>
        (await catalogue.media.list({ accounts: [account], sha256 }, { sort: 'sentAt', limit: 9 })).items.map(
          (row) => row.id,
        );
      assert.deepEqual(await find(first), [id]);
      assert.deepEqual(await find('3'.repeat(64)), []);
    });

    it('the filters by id, message and deadline find what they name; closed items have no deadline', async () => {
      const account = newAccount();
      const stored = await archived(account);
      const { id: waiting } = await claimed(account, { msgId: 'message-1' });
      const find = async (filter: MediaFilter) =>
        (
          await catalogue.media.list({ accounts: [account], ...filter }, { sort: 'sentAt', limit: 9 })
        ).items.map((row) => row.id);
      assert.deepEqual(await find({ ids: [stored] }), [stored]);
      assert.deepEqual(await find({ msgIds: ['message-1'] }), [waiting]);
      assert.deepEqual(await find({ msgIds: ['message-2', 'message-3'] }), []);
      assert.deepEqual(await find({ expiresBefore: at(1e7) }), [waiting]);
      assert.deepEqual(await find({ expiresBefore: at(1e7), statuses: ['archived'] }), [stored]);
      assert.deepEqual(await find({ expiresBefore: NOW }), []);
    });

    it('clearing an upload keeps a newer one of the same item', async () => {
      const job = await claimed(newAccount());
      const object = { bucket: 'b', objectKey: 'k.jpg' };
      await catalogue.outcomes.reserve(job, object, NOW);
      await catalogue.uploads.record(job, 'older');
      await catalogue.uploads.record(job, 'newer');
      await catalogue.uploads.clear(job.id, 'older');
      assert.equal((await catalogue.outcomes.reserve(job, object, NOW))?.leftUploadId, 'newer');
      await catalogue.uploads.clear(job.id, 'newer');
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), {});
    });

    it('a claimed row is not closed by the sweep, whatever the time is', async () => {
      const job = await claimed(newAccount());
      assert.deepEqual(await catalogue.outcomes.closeExpired([job.id], at(1e6), INVALID), []);
      assert.equal(await statusOf(job.id), 'pending');
      await catalogue.queue.requeue([job]);
      assert.deepEqual(await catalogue.outcomes.closeExpired([job.id], at(1e6), INVALID), [{ id: job.id }]);
    });

    it('an upload is not listed as open while its item is in the queue', async () => {
      const job = await claimed(newAccount());
      await catalogue.outcomes.reserve(job, { bucket: 'b', objectKey: 'k.jpg' }, NOW);
      await catalogue.uploads.record(job, 'running');
      const given = async () =>
        (await catalogue.uploads.listOpen(at(1e6), 99)).some(({ id }) => id === job.id);
      assert.equal(await given(), false);
      await catalogue.outcomes.markFailed(job, INVALID, { to: 'dead' }, true);
      assert.equal(await given(), true);
    });

    it('a job of an earlier generation requeues nothing', async () => {
      const account = newAccount();
      const early = await claimed(account);
      assert.equal(await catalogue.queue.requeue([early]), 1);
      const { claimed: jobs } = await catalogue.queue.claim([{ account, capacity: 9 }], NOW, 9);
      assert.equal(await catalogue.queue.requeue([early]), 0);
      assert.equal(await catalogue.queue.requeue(jobs), 1);
    });

    it('only a held account takes an item back from the queue', async () => {
      const account = newAccount();
      await catalogue.accounts.ensure([account]);
      const job = await claimed(account);
      assert.equal(await catalogue.queue.requeueHeld(job), false);
      await catalogue.accounts.hold(account, at(60), { code: 'ip_not_allowed', class: 'account' });
      assert.equal(await catalogue.queue.requeueHeld(job), true);
    });

    it('archived wins over dead and over expired', async () => {
      for (const to of ['dead', 'expired'] as const) {
        const job = await claimed(newAccount());
        await catalogue.outcomes.markFailed(job, INVALID, { to }, true);
        assert.equal(await catalogue.outcomes.markArchived(job, STORED), true);
        assert.equal(await statusOf(job.id), 'archived');
      }
    });

    it('a success ends a lapsed hold, unless the file came by a link or its attempt began before the hold', async () => {
      const [before, after] = [at(-60), NOW];
      const cases = [
        { since: before, until: at(-10), source: 'media_get', isHeld: false },
        { since: before, until: at(-10), source: 'pic_url', isHeld: true },
        { since: before, until: at(60), source: 'media_get', isHeld: true },
        { since: after, until: after, source: 'media_get', isHeld: true },
      ] as const;
      for (const { since, until, source, isHeld } of cases) {
        const account = newAccount();
        await catalogue.accounts.ensure([account]);
        const job = await claimed(account);
        await catalogue.accounts.hold(account, until, { code: 'ip_not_allowed', class: 'account' }, since);
        const attempt = { ...job, account, startedAt: at(-30) };
        assert.ok(await catalogue.outcomes.markArchived(attempt, { ...STORED, source }));
        const state = (await catalogue.accounts.list()).find((one) => one.account === account);
        assert.equal(
          state?.hold !== undefined,
          isHeld,
          `${source}, held from ${since.toISOString()} until ${until.toISOString()}`,
        );
      }
    });

    it('only its release ends, shortens or changes a hold by hand', async () => {
      const { accounts } = catalogue;
      const account = newAccount();
      const stateOf = async () => {
        const state = (await accounts.list()).find((one) => one.account === account);
        return { until: state?.heldUntil, since: state?.heldSince, why: state?.hold };
      };
      const job = await claimed(account);
      const refused = { code: 'ip_not_allowed', class: 'account' } as const;
      await accounts.hold(account, at(7_200), refused, at(-60));
      const why = { code: HELD_BY_HAND, class: 'account', by: 'ops', reason: 'maintenance' } as const;
      await accounts.holdByHand(account, at(3_600), why, NOW);
      const held = { until: at(3_600), since: NOW, why };
      assert.deepEqual(await stateOf(), held);
      assert.equal(await accounts.takeProbe(account, job.id, at(1), at(60)), false);
      assert.equal(
        await accounts.endLapsedHold(account, at(1), at(1)),
        false,
        'a response of WeChat for one of its items does not end it',
      );
      assert.equal(
        await accounts.hold(account, at(60), refused, at(1)),
        false,
        'a running attempt was refused',
      );
      assert.deepEqual(await stateOf(), held);
      await accounts.release(account, at(2));
      const { until, why: left } = await stateOf();
      assert.deepEqual([until, left], [undefined, undefined]);
    });

    it('the earlier of two times of one item in a batch counts, in either order', async () => {
      for (const seconds of [
        [0, 60],
        [60, 0],
      ] as const) {
        const account = newAccount();
        const batch = seconds.map((second) => ({
          ...{ account, mediaId: 'twice', kind: 'image' as const },
          sentAt: at(second),
        }));
        const [accepted] = await catalogue.media.insert(batch, NOW, false);
        assert.deepEqual((await catalogue.media.get(accepted!.id))?.sentAt, at(0));
      }
    });

    it('a found object does not restore an erased item', async () => {
      const account = newAccount();
      const mediaId = 'found-after-erasure';
      const [accepted] = await catalogue.media.insert(
        [{ account, mediaId, kind: 'image', sentAt: NOW }],
        NOW,
        false,
      );
      const { id } = accepted!;
      await catalogue.mediaErasure.erase([id], { actor: 'a' }, at(5));
      const found = {
        id,
        reference: { account, mediaId, kind: 'image', sentAt: NOW },
        stored: STORED,
      } as const;
      assert.equal(await catalogue.objects.adopt(found, { actor: 'a', reason: 'r' }, at(6)), 'known');
      assert.equal(await statusOf(id), 'erased');
    });

    it('no row is listed as expiring while the store is held', async () => {
      const account = newAccount();
      const [accepted] = await catalogue.media.insert(
        [{ account, mediaId: 'runs-out', kind: 'image', sentAt: NOW }],
        NOW,
        false,
      );
      const hasRunOut = async () =>
        (await catalogue.outcomes.listExpiring(at(1e6), 0, 999)).some(({ id }) => id === accepted!.id);
      assert.equal(await hasRunOut(), true);
      assert.ok(await catalogue.storeHold.takeProbe('me', at(1), at(2)));
      await catalogue.storeHold.probeFailed('me', at(60), { code: 'store_refused', class: 'store' }, at(1));
      assert.equal(await hasRunOut(), false);
      assert.ok(await catalogue.storeHold.takeProbe('me', at(61), at(62)));
      await catalogue.storeHold.probeSucceeded('me', at(61), at(61));
    });

    const requestFor = (account: string) => ({
      filter: { status: ['dead'] as ['dead'], account: [account] },
      rate: 100,
      actor: 'ops',
    });

    it('a redrive does not take items that died after it was created, although its limit allows it', async () => {
      const account = newAccount();
      const [stays, leaves] = [await dead(account, at(1)), await dead(account, at(1))];
      const { id, matched } = await catalogue.redrives.create(requestFor(account), at(10));
      assert.equal(matched, 2);
      await catalogue.redrives.redriveOne(leaves, at(11), { actor: 'operator' });
      // Sent before the others, so that it would be the first of the page.
      const later = await dead(account, at(20), at(-60));
      await catalogue.redrives.runPage(id, at(30));
      assert.deepEqual([await statusOf(stays), await statusOf(later)], ['pending', 'dead']);
    });

    it('a redrive skips an item that died again while its page was read', async () => {
      const account = newAccount();
      const [stays, again] = [await dead(account, at(1)), await dead(account, at(1))];
      const { id } = await catalogue.redrives.create(requestFor(account), at(10));
      const between: Database = {
        ...database,
        transaction: (work) =>
          database.transaction((transaction) =>
            work({
              query: async (text, values) => {
                if (/^\s*WITH locked/.test(text)) {
                  const later = `UPDATE ${SCHEMA}.media SET closed_at = $2 WHERE id = $1`;
                  await transaction.query(later, [again, at(20)]);
                }
                return await transaction.query(text, values);
              },
            }),
          ),
      };
      await createCatalogue(between, SCHEMA, lifetimes).redrives.runPage(id, at(30));
      assert.deepEqual([await statusOf(stays), await statusOf(again)], ['pending', 'dead']);
    });
  });
}
