/** Events: which are written, in which order readers see them, and how they end. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { cursorOfEvent } from '../../../src/catalogue/events/read.ts';
import type { Event, EventType } from '../../../src/event.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const HOUR_S = 3_600;
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
const { signal } = new AbortController();

for (const backend of backends) {
  describe(`events on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    let start = 0;
    beforeEach(async () => {
      await sequenceAll();
      start = (await catalogue.events.head()).position;
    });

    async function sequenceAll(): Promise<void> {
      while ((await catalogue.events.sequence()).hasMore);
    }
    async function events(
      filter: Parameters<Catalogue['events']['read']>[1] = {},
    ): Promise<readonly Event[]> {
      await sequenceAll();
      return (await catalogue.events.read(start, filter, 5_000)).items;
    }
    const typesOf = (list: readonly Event[]) => list.map(({ type }) => type);

    let serial = 0;
    const newAccount = () => `event-${serial++}`;
    async function inserted(account: string, sentAt = NOW) {
      const one = { account, mediaId: `e-${serial++}`, kind: 'image', sentAt } as const;
      const [accepted] = await catalogue.media.insert([one], NOW, false);
      return accepted!.id;
    }
    async function claimed(account: string, sentAt = NOW) {
      const id = await inserted(account, sentAt);
      const { claimed: jobs } = await catalogue.queue.claim([{ account, capacity: 99 }], NOW, 99);
      const { generation } = jobs.find((job) => job.id === id)!;
      return { id, generation, startedAt: NOW, endedAt: at(1) };
    }
    const fail = async (account: string, to: 'dead' | 'expired') => {
      const job = await claimed(account);
      assert.ok(await catalogue.outcomes.markFailed(job, INVALID, { to }, true));
      return job.id;
    };

    it('every change of an outcome is one event, and an attempt that is repeated is none', async () => {
      const account = newAccount();
      const archived = await claimed(account);
      assert.ok(await catalogue.outcomes.markArchived(archived, STORED));
      const retried = await claimed(account);
      const later = { to: 'later', at: at(60), reason: 'retry' } as const;
      await catalogue.outcomes.markFailed(retried, INVALID, later, true);
      const dead = await fail(account, 'dead');
      await catalogue.redrives.redriveOne(dead, NOW, { actor: 'a' });
      const expired = await fail(account, 'expired');
      const list = await events({ accounts: [account] });
      assert.deepEqual(
        list.map(({ type, media }) => [type, media]),
        [
          ['media.archived', archived.id],
          ['media.dead', dead],
          ['media.redriven', dead],
          ['media.expired', expired],
        ],
      );
      assert.match(list[0]!.id, /^evt_[0-9a-f]{32}$/);
      assert.equal(new Set(list.map(({ id }) => id)).size, 4);
      assert.deepEqual(list[0]!.at, at(1));
    });

    it('an item that is refused on arrival is dead with an event', async () => {
      const account = newAccount();
      const reference = { account, mediaId: 'msg:1', kind: 'file', sentAt: NOW } as const;
      await catalogue.media.insert([reference], NOW, false);
      assert.deepEqual(typesOf(await events({ accounts: [account] })), ['media.dead']);
    });

    it('an erased item leaves an event that has only its id', async () => {
      const account = newAccount();
      const id = await inserted(account);
      await catalogue.mediaErasure.erase([id], { actor: 'a', reason: 'asked' }, NOW);
      const [event, ...others] = await events({ accounts: [account] });
      assert.equal(event?.type, 'media.erased');
      assert.deepEqual(others, []);
      const rows = await database.query<Record<string, unknown>>(
        `SELECT * FROM ${SCHEMA}.event WHERE media = $1`,
        [id],
      );
      assert.deepEqual(Object.keys(rows[0]!).sort(), [
        'account',
        'at',
        'id',
        'media',
        'position',
        'sequenced_at',
        'slot',
        'type',
      ]);
    });

    it('holds and releases of accounts and of the store are events, and a hold that grows is none', async () => {
      const account = newAccount();
      const other = newAccount();
      const { accounts, storeHold } = catalogue;
      await accounts.hold(account, at(60), { code: 'x', class: 'account' }, NOW);
      await accounts.hold(account, at(120), { code: 'x', class: 'account' }, NOW);
      await accounts.ensure([other]);
      await accounts.holdByHand(other, at(60), { code: 'held_by_hand', class: 'account' }, NOW);
      await accounts.release(other, NOW, 'ops');
      assert.ok(await accounts.endLapsedHold(account, at(200), at(150)));
      await storeHold.takeProbe('p', NOW, at(10));
      await storeHold.probeFailed('p', at(10), { code: 'store_full', class: 'store' }, NOW);
      await storeHold.takeProbe('p', at(11), at(20));
      await storeHold.probeSucceeded('p', at(11), at(12));
      const list = await events();
      assert.deepEqual(
        list.map(({ type, account }) => [type, account]),
        [
          ['account.held', account],
          ['account.held', other],
          ['account.released', other],
          ['account.released', account],
          ['store.held', undefined],
          ['store.released', undefined],
        ],
      );
      const bound = await events({ accounts: [account] });
      assert.deepEqual(typesOf(bound), ['account.held', 'account.released']);
    });

    it('an item near its deadline is at risk once, and again only with another deadline', async () => {
      const account = newAccount();
      const sentAt = at(-71 * HOUR_S);
      const id = await inserted(account, sentAt);
      await inserted(account);
      const mark = (knownBefore = at(1)) =>
        catalogue.events.markAtRisk({ now: NOW, near: at(6 * HOUR_S), knownBefore });
      assert.equal(await mark(at(-1)), 0, 'it has only just arrived');
      assert.equal(await mark(), 1);
      assert.equal(await mark(), 0);
      const earlier = {
        account,
        mediaId: `e-${serial - 2}`,
        kind: 'image',
        sentAt: at(-71.5 * HOUR_S),
      } as const;
      const [repeat] = await catalogue.media.insert([earlier], NOW, false);
      assert.equal(repeat?.id, id);
      assert.equal(await mark(), 1);
      const list = await events({ accounts: [account] });
      assert.deepEqual(
        list.map(({ type, media }) => [type, media]),
        [
          ['media.at_risk', id],
          ['media.at_risk', id],
        ],
      );
    });

    it('positions have no gaps, also when many give them at the same time', async () => {
      const account = newAccount();
      for (let index = 0; index < 30; index++) await fail(account, 'dead');
      await Promise.all([1, 2, 3, 4].map(sequenceAll));
      const list = await events();
      assert.deepEqual(
        list.map(({ position }) => position),
        list.map((_, index) => start + 1 + index),
      );
      assert.equal(list.length, 30);
      const times = list.map(({ sequencedAt }) => sequencedAt.getTime());
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    });

    it('reads by type and account, page by page, and an empty page moves on', async () => {
      const [one, two] = [newAccount(), newAccount()];
      for (const account of [one, two, one, two, one]) await fail(account, 'dead');
      const types: readonly EventType[] = ['media.dead'];
      await sequenceAll();
      const first = await catalogue.events.read(start, { types, accounts: [one] }, 2);
      assert.deepEqual([first.items.length, first.hasMore], [2, true]);
      assert.deepEqual(first.end, cursorOfEvent(first.items[1]!));
      const second = await catalogue.events.read(first.end.position, { types, accounts: [one] }, 2);
      assert.deepEqual([second.items.length, second.hasMore], [1, false]);
      const { position, atMs } = await catalogue.events.head();
      assert.deepEqual(second.end, { position, atMs });
      const none = await catalogue.events.read(start, { types: ['media.erased'] }, 2);
      assert.deepEqual([none.items, none.end], [[], { position, atMs }]);
    });

    it('events end with EVENT_RETENTION: hidden first, then emptied with their partition', async () => {
      const { events: feed } = catalogue;
      const account = newAccount();
      await fail(account, 'dead');
      await sequenceAll();
      const kept = await feed.head();
      await feed.dropExpired(HOUR_S * 1000, signal);
      assert.deepEqual((await feed.locate(kept)).is, 'here');
      assert.equal((await feed.head()).expired < kept.position, true);
      // The partition in use is left when it is old enough, and emptied when nothing in it is kept.
      await database.query(`UPDATE ${SCHEMA}.event_head SET slot_since = slot_since - interval '1 day'`);
      assert.equal(await feed.dropExpired(HOUR_S * 1000, signal), 0);
      await fail(account, 'dead');
      await sequenceAll();
      await database.query(
        `UPDATE ${SCHEMA}.event SET sequenced_at = sequenced_at - interval '2 hours' WHERE position <= $1`,
        [kept.position],
      );
      assert.equal(await feed.dropExpired(HOUR_S * 1000, signal), 1);
      const head = await feed.head();
      assert.equal(head.expired, kept.position);
      const place = await feed.locate({ position: kept.position - 1, atMs: kept.atMs });
      assert.equal(place.is, 'expired');
      assert.ok(place.is === 'expired' && place.oldest.position === kept.position);
      const atEnd = { position: kept.position, atMs: 1 };
      assert.deepEqual(await feed.locate(atEnd), { is: 'here', cursor: atEnd });
      const left = await database.query<{ n: string }>(`SELECT count(*) AS n FROM ${SCHEMA}.event`);
      assert.equal(Number(left[0]?.n), head.position - kept.position);
      await assert.rejects(
        database.query(`SELECT ${SCHEMA}.empty_event_slot(slot) FROM ${SCHEMA}.event_head`),
        /holds events that are kept/,
      );
    });

    it('erasing an item leaves no trace of the time when it was sent', async () => {
      const id = await inserted(newAccount());
      const now = at(67 * HOUR_S);
      await catalogue.events.markAtRisk({ now, near: at(73 * HOUR_S), knownBefore: now });
      const marked = () =>
        database.query<{ at_risk_for: Date | null }>(
          `SELECT at_risk_for FROM ${SCHEMA}.media WHERE id = $1`,
          [id],
        );
      assert.deepEqual((await marked())[0]?.at_risk_for, at(72 * HOUR_S));
      await catalogue.mediaErasure.erase([id], { actor: 'a', reason: 'asked' }, NOW);
      assert.equal((await marked())[0]?.at_risk_for, null);
    });

    it('a cursor of a feed that was restored begins again shortly before its time, and misses nothing', async () => {
      const account = newAccount();
      await fail(account, 'dead');
      await sequenceAll();
      const seen = await catalogue.events.head();
      // A backup that was made before that event is restored; other events get the same positions later.
      const lost = { position: seen.position + 5, atMs: seen.atMs + 1_000 };
      const other = { position: seen.position, atMs: seen.atMs - 123_456 };
      const beyond = await catalogue.events.locate(lost);
      assert.ok(beyond.is === 'here' && beyond.cursor.position < seen.position);
      const mismatch = await catalogue.events.locate(other);
      assert.ok(mismatch.is === 'here' && mismatch.cursor.position < seen.position);
    });

    it('finds the position at a time', async () => {
      const account = newAccount();
      for (let index = 0; index < 5; index++) {
        await fail(account, 'dead');
        await sequenceAll();
      }
      const list = await events();
      for (const { position, sequencedAt } of list)
        assert.ok((await catalogue.events.positionBefore(sequencedAt)) < position);
      const end = await catalogue.events.positionBefore(new Date(list.at(-1)!.sequencedAt.getTime() + 1));
      assert.equal(end, list.at(-1)!.position);
    });

    if (backend.name === 'Postgres') {
      it('a partition that a backup reads is emptied later, which is no error', async () => {
        const { events: feed } = catalogue;
        await fail(newAccount(), 'dead');
        await sequenceAll();
        await database.query(`UPDATE ${SCHEMA}.event_head SET slot_since = slot_since - interval '1 day'`);
        await feed.dropExpired(HOUR_S * 1000, signal);
        await database.query(`UPDATE ${SCHEMA}.event SET sequenced_at = sequenced_at - interval '2 hours'`);
        await database.transaction(async (transaction) => {
          await transaction.query(`LOCK TABLE ${SCHEMA}.event IN ACCESS SHARE MODE`);
          assert.equal(await feed.dropExpired(HOUR_S * 1000, signal), 0);
        });
        assert.equal(await feed.dropExpired(HOUR_S * 1000, signal), 1);
      });

      it('no cursor passes an event whose transaction commits after a thousand others', async (t) => {
        const account = newAccount();
        const job = await claimed(account);
        const isWritten = Promise.withResolvers<void>();
        const mayCommit = Promise.withResolvers<void>();
        t.after(() => mayCommit.resolve());
        const committed = database.transaction(async (transaction) => {
          await transaction.query(
            `UPDATE ${SCHEMA}.media SET status = 'dead', stage = NULL, updated_at = now() WHERE id = $1`,
            [job.id],
          );
          isWritten.resolve();
          await mayCommit.promise;
        });
        await isWritten.promise;
        const others = newAccount();
        for (let index = 0; index < 1_000; index++)
          await database.query(
            `INSERT INTO ${SCHEMA}.event_outbox (type, at, account) VALUES ('account.held', now(), $1)`,
            [others],
          );
        await sequenceAll();
        const before = await catalogue.events.read(start, {}, 5_000);
        assert.equal(before.items.length, 1_000, 'the open transaction holds nothing back');
        mayCommit.resolve();
        await committed;
        await sequenceAll();
        const rest = await catalogue.events.read(before.end.position, {}, 5_000);
        assert.deepEqual(
          rest.items.map(({ type, media }) => [type, media]),
          [['media.dead', job.id]],
        );
      });
    }
  });
}
