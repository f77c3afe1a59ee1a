/** The hold of the store: what is claimed, shown and closed during it and after it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, lifetimes, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(NOW.getTime() + ms);
const WHY = { code: 'store_refused', class: 'store', detail: 'HTTP 403 AccessDenied' } as const;
const EXPIRED = { code: 'expired', class: 'permanent_media' } as const;
let serial = 0;

for (const backend of backends) {
  describe(`the hold of the store on ${backend.name}`, { skip: backend.skip }, () => {
    const cleanup = createCleanup();
    let bundle: Bundle;
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
    });
    after(() => cleanup.run());

    const begin = async (now: Date) => {
      const { storeHold } = bundle.catalogue;
      assert.ok(await storeHold.takeProbe('one', now, new Date(now.getTime() + 15_000)));
      return await storeHold.probeFailed('one', new Date(now.getTime() + 15_000), WHY, now);
    };
    const end = async (now: Date) => {
      const { storeHold } = bundle.catalogue;
      assert.ok(await storeHold.takeProbe('one', now, new Date(now.getTime() + 15_000)));
      return await storeHold.probeSucceeded('one', now, now);
    };
    const accept = async (account: string, sentAt: Date, now = NOW) => {
      const media = { account, mediaId: `media-${++serial}`, kind: 'image', sentAt } as const;
      return (await bundle.catalogue.media.insert([media], now, false))[0]!.id;
    };
    const claim = async (account: string, now: Date) =>
      (await bundle.catalogue.queue.claim([{ account, capacity: 10 }], now, 10)).claimed;

    it('claims nothing during the hold and everything after it; rows show the hold without being updated', async () => {
      const { catalogue } = bundle;
      const account = 'wx-jobs';
      const ids = [await accept(account, NOW), await accept(account, NOW)];
      const [jobs] = (await catalogue.queue.claim([{ account, capacity: 1 }], NOW, 10)).claimed;
      assert.equal(await catalogue.storeHold.requeue(jobs!), false, 'nothing holds it');
      assert.equal(await begin(NOW), true);
      assert.equal(
        await catalogue.storeHold.requeue({ ...jobs!, generation: 7 }),
        false,
        'another generation',
      );
      assert.equal(await catalogue.storeHold.requeue(jobs!), true);
      assert.deepEqual(await claim(account, NOW), []);
      for (const id of ids) {
        const row = await catalogue.media.get(id);
        assert.deepEqual(row?.waiting, { reason: 'storeHeld', until: at(15_000) });
        assert.deepEqual([row.attempts, row.updatedAt], [0, NOW]);
      }
      assert.deepEqual((await catalogue.stats.read(NOW, [account])).waiting, { storeHeld: 2 });
      assert.equal(await end(at(20_000)), true);
      assert.equal((await claim(account, at(20_000))).length, 2);
    });

    it('lets one process probe when the probe is due; the lease of a dead one lapses', async () => {
      const { storeHold } = bundle.catalogue;
      await begin(NOW);
      assert.equal(await storeHold.takeProbe('a', at(14_999), at(30_000)), false, 'not yet');
      const many = ['a', 'b', 'c', 'd'].map((name) => storeHold.takeProbe(name, at(15_000), at(30_000)));
      const taken = (await Promise.all(many)).filter(Boolean);
      assert.equal(taken.length, 1);
      assert.equal(await storeHold.takeProbe('e', at(29_999), at(45_000)), false);
      assert.equal(await storeHold.takeProbe('e', at(30_000), at(45_000)), true);
      assert.equal(await storeHold.probeSucceeded('a', NOW, at(31_000)), false, 'it came too late');
      assert.equal(await storeHold.probeFailed('e', at(60_000), WHY, at(31_000)), false, 'held already');
      const { hold } = await storeHold.read();
      assert.deepEqual(hold, { since: NOW, until: at(60_000), failure: WHY, probes: 1 });
      await end(at(60_000));
    });

    it('ignores a probe whose lease another process has; a release by hand ends every lease', async () => {
      const { storeHold } = bundle.catalogue;
      assert.ok(await storeHold.takeProbe('late', NOW, at(15_000)));
      assert.ok(await storeHold.takeProbe('next', at(15_000), at(30_000)));
      assert.equal(await storeHold.probeFailed('late', at(60_000), WHY, at(16_000)), false);
      assert.equal((await storeHold.read()).hold, undefined);
      await storeHold.releaseProbe('late');
      assert.equal(
        await storeHold.takeProbe('third', at(17_000), at(32_000)),
        false,
        'it is the other one’s',
      );
      assert.equal(await storeHold.probeFailed('next', at(60_000), WHY, at(18_000)), true);
      const held = (await storeHold.read()).hold;
      assert.ok(await storeHold.takeProbe('dead', at(60_000), at(75_000)));
      assert.equal(await storeHold.probeFailed('late', at(99_000), WHY, at(61_000)), false);
      assert.equal(await storeHold.probeSucceeded('late', at(61_000), at(61_000)), false);
      assert.deepEqual((await storeHold.read()).hold, held);
      assert.equal(await storeHold.release('ops', at(62_000)), true);
      assert.equal(await storeHold.takeProbe('third', at(62_000), at(77_000)), true);
      assert.equal(await storeHold.probeSucceeded('third', at(62_000), at(63_000)), true);
      assert.equal(await storeHold.release('ops', at(64_000)), false, 'nothing is held');
    });

    it('stores when a probe succeeded without a hold, and writes no audit entry', async () => {
      const { storeHold, auditLog: events } = bundle.catalogue;
      const before = (await events.list({ target: 'store' }, 100)).length;
      assert.equal(await end(at(HOUR_MS)), false);
      assert.deepEqual(await storeHold.read(), { hold: undefined, lastProbeSuccessAt: at(HOUR_MS) });
      assert.equal((await events.list({ target: 'store' }, 100)).length, before);
      await begin(at(HOUR_MS));
      await end(at(2 * HOUR_MS));
      const [release, hold] = await events.list({ target: 'store' }, 2);
      assert.deepEqual(
        [hold?.action, hold?.actor, hold?.reason, release?.action],
        ['hold', 'worker', 'store_refused: HTTP 403 AccessDenied', 'release'],
      );
    });

    it('closes no row during the hold; rows that waited for the store get an attempt after it', async () => {
      const { catalogue } = bundle;
      const account = 'wx-late';
      const sentAt = at(-73 * HOUR_MS);
      const closesAt = new Date(sentAt.getTime() + lifetimes.lifetimeMs + lifetimes.closingMs);
      const waiting = await accept(account, sentAt, sentAt);
      const attempted = await accept(account, sentAt, sentAt);
      await begin(NOW);
      const later = new Date(closesAt.getTime() + HOUR_MS);
      const expiring = async (now: Date) =>
        (await catalogue.outcomes.listExpiring(now, lifetimes.closingMs, 100))
          .filter((row) => row.account === account)
          .map(({ id }) => id);
      assert.deepEqual(await expiring(later), []);
      await end(later);
      assert.deepEqual(await expiring(later), []);
      const { claimed: jobs } = await catalogue.queue.claim([{ account, capacity: 2 }], later, 10);
      const job = jobs.find(({ id }) => id === attempted)!;
      await catalogue.queue.requeue(jobs.filter(({ id }) => id !== attempted));
      const next = { to: 'later', at: at(100 * HOUR_MS), reason: 'retry' } as const;
      await catalogue.outcomes.markFailed({ ...job, startedAt: later, endedAt: later }, WHY, next, true);
      assert.deepEqual(await expiring(later), [attempted], 'it had its attempt');
      const window = new Date(later.getTime() + lifetimes.closingMs);
      assert.deepEqual(
        (await expiring(window)).sort(),
        [attempted, waiting].sort(),
        'no longer than any row has',
      );
      const closed = await catalogue.outcomes.closeExpired([attempted, waiting], window, EXPIRED);
      assert.equal(closed.length, 2);
      assert.equal((await catalogue.media.get(attempted))?.failure?.code, 'store_refused', 'why it was lost');
    });

    it('lists no open upload while the store is held', async () => {
      const { catalogue, database } = bundle;
      const account = 'wx-upload';
      const id = await accept(account, NOW);
      const [job] = await claim(account, NOW);
      await catalogue.outcomes.reserve(job!, { bucket: 'b', objectKey: 'k' }, NOW);
      await catalogue.uploads.record(job!, 'upload-1');
      await database.query(`UPDATE ${SCHEMA}.media SET stage = 1 WHERE id = $1`, [id]);
      const open = async () => (await catalogue.uploads.listOpen(at(100 * HOUR_MS), 10)).length;
      assert.equal(await open(), 1);
      await begin(at(200 * HOUR_MS));
      assert.equal(await open(), 0);
      await end(at(201 * HOUR_MS));
      assert.equal(await open(), 1);
    });
  });
}
