/** One suite, two databases: what the catalogue promises, whatever stands below. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../src/catalogue/catalogue.ts';
import type { Database } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import { idOf, type Reference } from '../../src/media.ts';
import { createCleanup } from '../machine/cleanup.ts';
import { backends, lifetimes, SCHEMA, setup } from './backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const at = (ms: number) => new Date(NOW.getTime() + ms);
const HOUR_MS = 3_600_000;
const WINDOW = 1_000;

let serial = 0;
function reference(fields: Partial<Reference> = {}): Reference {
  serial++;
  return { account: `wx${serial}`, mediaId: `media-${serial}`, kind: 'image', sentAt: NOW, ...fields };
}

const STORED = {
  bucket: 'b',
  objectKey: 'k.jpg',
  sizeBytes: 5_000_000_000,
  sha256: 'f'.repeat(64),
  contentType: 'image/jpeg',
  declaredType: 'text/jpeg',
  fileName: '照片.jpg',
  source: 'media_get',
  lengthVerified: true,
} as const;

for (const backend of backends) {
  describe(`catalogue on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    const acceptOne = async (one: Reference) => (await catalogue.media.insert([one], NOW, false))[0]!;
    const claimOne = async (one: Reference, now = NOW) => {
      const { claimed: fed } = await catalogue.queue.claim(
        [{ account: one.account, capacity: 100 }],
        now,
        WINDOW,
      );
      return fed.find((job) => job.reference.mediaId === one.mediaId)!;
    };
    const tried = (job: { id: string; generation: number }, endedAt = at(1000)) => ({
      id: job.id,
      generation: job.generation,
      startedAt: NOW,
      endedAt,
    });

    it('accepts a reference once and says so the second time', async () => {
      const one = reference({ openId: 'o1', msgId: '22800264023876468' });
      const first = await acceptOne(one);
      assert.deepEqual(first, {
        id: idOf(one.account, one.mediaId),
        account: one.account,
        status: 'pending',
        created: true,
      });
      assert.equal((await acceptOne(one)).created, false);
      const row = await catalogue.media.get(first.id);
      assert.equal(row?.msgId, '22800264023876468');
      assert.deepEqual(row?.expiresAt, at(72 * HOUR_MS));
      assert.deepEqual(row?.closesAt, at(74 * HOUR_MS));
      assert.deepEqual(row?.waiting, { reason: 'queued' });
    });

    it('merges a repeat: the earliest time, empty fields filled, known ones kept', async () => {
      const one = reference({ openId: 'first' });
      const { id } = await acceptOne(one);
      await acceptOne({
        ...one,
        openId: 'second',
        picUrl: 'http://mmbiz.qpic.cn/x',
        sentAt: at(-HOUR_MS),
        labels: { a: '1' },
      });
      const row = await catalogue.media.get(id);
      assert.equal(row?.openId, 'first');
      assert.equal(row?.picUrl, 'http://mmbiz.qpic.cn/x');
      assert.deepEqual(row?.labels, { a: '1' });
      assert.deepEqual(row?.sentAt, at(-HOUR_MS));
      assert.deepEqual(row?.expiresAt, at(71 * HOUR_MS));
    });

    it('takes one media twice in one batch for one row', async () => {
      const one = reference();
      const other = reference();
      const answers = await catalogue.media.insert([one, other, { ...one, openId: 'late' }], NOW, true);
      assert.deepEqual(
        answers.map((answer) => answer.created),
        [true, true, false],
      );
      assert.equal((await catalogue.media.get(answers[0]!.id))?.openId, 'late');
    });

    it('keeps file messages as dead on arrival', async () => {
      const { id, status } = await acceptOne(reference({ kind: 'file', mediaId: 'msg:1' }));
      assert.equal(status, 'dead');
      assert.equal((await catalogue.media.get(id))?.failure?.code, 'not_downloadable');
    });

    it('feeds the earliest deadline first, within the room, and interleaves accounts', async () => {
      const a = [3, 1, 2].map((n) => reference({ account: 'fair-a', sentAt: at(-n * 1000) }));
      const b = [9, 8].map((n) => reference({ account: 'fair-b', sentAt: at(n * 1000) }));
      await catalogue.media.insert([...a, ...b], NOW, false);
      const rooms = [
        { account: 'fair-a', capacity: 2 },
        { account: 'fair-b', capacity: 5 },
      ];
      const first = await catalogue.queue.claim(rooms, NOW, WINDOW);
      assert.deepEqual(
        first.claimed.map((job) => job.reference.mediaId),
        [a[0], b[1], a[2], b[0]].map((one) => one!.mediaId),
      );
      assert.equal(first.inQueue.get('fair-a'), 0);
      assert.equal((await catalogue.queue.claim(rooms, NOW, WINDOW)).claimed.length, 0, 'the room is taken');
    });

    it('does not feed a held account until the hold is over', async () => {
      const one = reference();
      const { id } = await acceptOne(one);
      await catalogue.accounts.hold(one.account, at(HOUR_MS), { code: 'x' });
      assert.equal(await claimOne(one), undefined);
      assert.deepEqual((await catalogue.media.get(id))?.waiting, {
        reason: 'accountHeld',
        until: at(HOUR_MS),
      });
      assert.equal((await catalogue.stats.read(NOW, [one.account])).waiting.accountHeld, 1);
      assert.ok(await claimOne(one, at(HOUR_MS)));
    });

    it('lets one media of the whole fleet be tried for all, and feeds nothing meanwhile', async () => {
      const account = 'leased';
      const rooms = [{ account, capacity: 10 }];
      await catalogue.media.insert([reference({ account }), reference({ account })], NOW, false);
      await catalogue.accounts.hold(account, NOW, { code: 'x' });
      const take = (id: string, ms: number) =>
        catalogue.accounts.takeProbe(account, id, at(ms), at(ms + 1000));
      assert.deepEqual(
        [await take('m_1', 0), await take('m_2', 0), await take('m_1', 0)],
        [true, false, true],
      );
      assert.equal((await catalogue.queue.claim(rooms, NOW, WINDOW)).claimed.length, 0);
      assert.equal(await take('m_2', 1000), true, 'the first one died');
      await catalogue.accounts.hold(account, at(HOUR_MS), { code: 'x' });
      assert.equal(await take('m_2', 1000), false, 'held again');
      const both = await Promise.all(
        [1, 2].map(() => catalogue.accounts.hold('twice', at(HOUR_MS), { code: 'x' })),
      );
      assert.deepEqual(both.sort(), [false, true], 'of two at the same moment one is the first');
    });

    it('sends what was fed back to wait with its account, and feeds pictures near their deadline', async () => {
      const one = reference({ kind: 'image', picUrl: 'http://mmbiz.qpic.cn/x' });
      const { account } = one;
      const { id } = await acceptOne(one);
      await acceptOne(reference({ account }));
      const { claimed: fed } = await catalogue.queue.claim([{ account, capacity: 1 }], NOW, WINDOW);
      const job = fed[0]!;
      assert.equal(await catalogue.queue.requeueHeld(job), false, 'nothing holds it');
      await catalogue.accounts.hold(account, at(HOUR_MS), { code: 'x', class: 'account' });
      assert.equal(await catalogue.queue.requeueHeld(job), true);
      assert.equal(await catalogue.queue.requeueHeld(job), false, 'it is back already');
      assert.equal((await catalogue.media.get(job.id))?.attempts, 0);
      assert.deepEqual((await catalogue.media.get(job.id))?.waiting, {
        reason: 'accountHeld',
        until: at(HOUR_MS),
      });
      const held = (windowMs: number) =>
        catalogue.queue.claim([{ account, capacity: 9 }], NOW, WINDOW, windowMs);
      assert.equal((await held(HOUR_MS)).claimed.length, 0);
      const near = (await held(72 * HOUR_MS)).claimed;
      assert.deepEqual(
        near.map((each) => each.id),
        [id],
      );
    });

    it('takes a file without a media id for lost, and one of WeCom for what it is', async () => {
      const lost = await acceptOne(reference({ kind: 'file', mediaId: 'msg:7' }));
      const found = await acceptOne(reference({ kind: 'file' }));
      assert.deepEqual([lost.status, found.status], ['dead', 'pending']);
    });

    it('probes with one media when a hold has lapsed, and lifts it when one is archived', async () => {
      const account = 'probed';
      const rooms = [{ account, capacity: 10 }];
      await catalogue.media.insert(
        [reference({ account }), reference({ account }), reference({ account })],
        NOW,
        false,
      );
      assert.equal(await catalogue.accounts.hold(account, NOW, { code: 'x' }), true);
      assert.equal(await catalogue.accounts.hold(account, NOW, { code: 'x' }), false, 'held already');
      const { claimed: probe } = await catalogue.queue.claim(rooms, NOW, WINDOW);
      assert.equal(probe.length, 1);
      assert.equal(
        (await catalogue.queue.claim(rooms, NOW, WINDOW)).claimed.length,
        0,
        'the probe is on its way',
      );
      await catalogue.outcomes.markArchived(tried(probe[0]!), STORED);
      const states = await catalogue.accounts.list();
      assert.equal(states.find((state) => state.account === account)?.heldUntil, undefined);
      assert.equal((await catalogue.queue.claim(rooms, NOW, WINDOW)).claimed.length, 2);
    });

    it('never feeds more than the window, jobs in their backoff included', async () => {
      const account = 'windowed';
      await catalogue.media.insert(
        [reference({ account }), reference({ account }), reference({ account })],
        NOW,
        false,
      );
      const { claimed: fed } = await catalogue.queue.claim([{ account, capacity: 1 }], NOW, 2);
      const next = { to: 'queue', at: at(1000), reason: 'retry' } as const;
      await catalogue.outcomes.markFailed(
        tried(fed[0]!),
        { code: 'network', class: 'transient' },
        next,
        true,
      );
      assert.equal((await catalogue.queue.claim([{ account, capacity: 9 }], NOW, 2)).claimed.length, 1);
    });

    it('remembers an upload that was left open until it is forgotten', async () => {
      const one = reference();
      await acceptOne(one);
      const job = await claimOne(one);
      const object = { bucket: 'b', objectKey: 'k.jpg' };
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), {});
      await catalogue.uploads.record(job, 'u1');
      const left = { leftUploadId: 'u1', leftObjectKey: 'k.jpg' };
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), left);
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), left, 'the abort may have failed');
      await catalogue.uploads.clear(job.id, 'u1');
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), {});
    });

    it('archives once: the second completion of a generation finds nothing to do', async () => {
      const one = reference();
      const { id } = await acceptOne(one);
      const job = await claimOne(one);
      assert.ok(await catalogue.outcomes.reserve(job, { bucket: 'b', objectKey: 'k.jpg' }, NOW));
      assert.equal((await catalogue.media.get(id))?.waiting?.reason, 'running');
      assert.equal(await catalogue.outcomes.markArchived(tried(job), STORED), true);
      const row = await catalogue.media.get(id);
      assert.equal(row?.status, 'archived');
      assert.equal(row?.sizeBytes, 5_000_000_000);
      assert.equal(row?.fileName, '照片.jpg');
      assert.equal(row?.attempts, 1);
      assert.equal(row?.waiting, undefined);
      assert.deepEqual(
        (await catalogue.media.attempts(id)).map(({ outcome, bytes, ms }) => ({ outcome, bytes, ms })),
        [{ outcome: 'archived', bytes: 5_000_000_000, ms: 1000 }],
      );
      assert.equal(
        await catalogue.outcomes.markArchived({ ...tried(job), generation: job.generation + 1 }, STORED),
        false,
      );
    });

    it('lets a late worker of an earlier generation change nothing', async () => {
      const one = reference();
      const { id } = await acceptOne(one);
      const early = await claimOne(one);
      assert.equal(await catalogue.queue.requeue([early]), 1);
      const late = await claimOne(one);
      assert.equal(late.generation, early.generation + 1);
      assert.equal(await catalogue.outcomes.reserve(early, { bucket: 'b', objectKey: 'k' }, NOW), undefined);
      assert.equal(await catalogue.uploads.record(early, 'u'), false);
      assert.equal(await catalogue.outcomes.markArchived(tried(early), STORED), false);
      assert.equal(
        await catalogue.outcomes.markFailed(
          tried(early),
          { code: 'network', class: 'transient' },
          { to: 'dead' },
          true,
        ),
        false,
      );
      assert.equal((await catalogue.media.get(id))?.status, 'pending');
      assert.deepEqual(await catalogue.media.attempts(id), []);
    });

    it('sends a failed media back to its row until it is due', async () => {
      const one = reference();
      const { id } = await acceptOne(one);
      const job = await claimOne(one);
      const failure = { code: 'system_busy', class: 'transient', errcode: -1, errmsg: 'busy' } as const;
      const next = { to: 'later', at: at(HOUR_MS), reason: 'retry' } as const;
      assert.equal(await catalogue.outcomes.markFailed(tried(job), failure, next, true), true);
      const row = await catalogue.media.get(id);
      assert.deepEqual(row?.waiting, { reason: 'retry', until: at(HOUR_MS) });
      assert.deepEqual(row?.failure, failure);
      assert.equal(row?.attempts, 1);
      await catalogue.queue.promote(at(HOUR_MS - 1), 100);
      assert.equal(await claimOne(one), undefined);
      await catalogue.queue.promote(at(HOUR_MS), 100);
      assert.equal((await claimOne(one)).generation, job.generation + 1);
    });

    it('spends no try on a hold, and leaves room for others while a job backs off in the queue', async () => {
      const one = reference();
      const other = reference({ account: one.account });
      const { id } = await acceptOne(one);
      const job = await claimOne(one);
      await catalogue.outcomes.markFailed(
        tried(job),
        { code: 'x', class: 'account' },
        { to: 'queue', at: at(5000), reason: 'retry' },
        false,
      );
      assert.equal((await catalogue.media.get(id))?.attempts, 0);
      await acceptOne(other);
      const { claimed: fed } = await catalogue.queue.claim(
        [{ account: one.account, capacity: 1 }],
        NOW,
        WINDOW,
      );
      assert.deepEqual(
        fed.map((each) => each.reference.mediaId),
        [other.mediaId],
      );
    });

    it('remembers an open multipart and hands it to the next generation', async () => {
      const one = reference();
      await acceptOne(one);
      const first = await claimOne(one);
      await catalogue.outcomes.reserve(first, { bucket: 'b', objectKey: 'left.mp4' }, NOW);
      assert.equal(await catalogue.uploads.record(first, 'upload-1'), true);
      await catalogue.queue.requeue([first]);
      assert.deepEqual(
        (await catalogue.uploads.listOpen(at(HOUR_MS), 10)).map((upload) => upload.uploadId),
        ['upload-1'],
      );
      const second = await claimOne(one);
      assert.deepEqual(
        await catalogue.outcomes.reserve(second, { bucket: 'b', objectKey: 'left.mp4' }, NOW),
        {
          leftUploadId: 'upload-1',
          leftObjectKey: 'left.mp4',
        },
      );
    });

    it('closes what has run out, but never under a running try and never before a late arrival had its chance', async () => {
      const closed = reference({ sentAt: at(-80 * HOUR_MS) });
      const running = reference({ sentAt: at(-80 * HOUR_MS) });
      const ids = await catalogue.media.insert([closed, running], NOW, false);
      const failure = { code: 'expired', class: 'permanent_media' } as const;
      const close = async (now: Date) => {
        const out = await catalogue.outcomes.listExpiring(now, lifetimes.closingMs, 100);
        return await catalogue.outcomes.closeExpired(
          out.map(({ id }) => id),
          now,
          failure,
        );
      };
      const mine = (rows: { id: string }[]) =>
        rows.map((row) => row.id).filter((id) => ids.some((one) => one.id === id));
      assert.deepEqual(mine(await close(NOW)), []);
      await claimOne(running);
      assert.deepEqual(mine(await close(at(3 * HOUR_MS))), [ids[0]!.id]);
      assert.equal((await catalogue.media.get(ids[0]!.id))?.status, 'expired');
      assert.equal((await catalogue.media.get(ids[1]!.id))?.status, 'pending');
    });

    it('lists what one transaction wrote, all at one microsecond, without missing any', async () => {
      const account = 'sql-account';
      const all = Array.from({ length: 7 }, () => reference({ account, sentAt: NOW }));
      const ids = (await catalogue.media.insert(all, NOW, false)).map(({ id }) => id);
      await database.query(
        `UPDATE ${SCHEMA}.media SET sent_at = $2::timestamptz + interval '456 microseconds',
           updated_at = $2::timestamptz + interval '456 microseconds' WHERE id = ANY ($1)`,
        [ids, NOW],
      );
      for (const sort of ['sentAt', 'updatedAt'] as const) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await catalogue.media.list(
            { accounts: [account] },
            { sort, limit: 2, ...(cursor ? { cursor } : {}) },
          );
          seen.push(...page.items.map(({ id }) => id));
          cursor = page.nextCursor;
        } while (cursor);
        assert.deepEqual(seen.toSorted(), ids.toSorted(), sort);
      }
    });

    it('lists newest first in pages that neither repeat nor miss, by every filter', async () => {
      const account = 'list-account';
      const all = Array.from({ length: 7 }, (_, n) =>
        reference({
          account,
          sentAt: at(Math.floor(n / 2) * 1000),
          kind: n % 2 ? 'voice' : 'image',
          openId: `open-${n % 3}`,
          labels: { n: String(n) },
        }),
      );
      await catalogue.media.insert(all, NOW, false);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await catalogue.media.list(
          { accounts: [account] },
          { sort: 'sentAt', limit: 2, ...(cursor ? { cursor } : {}) },
        );
        seen.push(...page.items.map((row) => row.mediaId!));
        cursor = page.nextCursor;
      } while (cursor);
      assert.equal(seen.length, 7);
      assert.equal(new Set(seen).size, 7);
      const count = async (filter: object) =>
        (await catalogue.media.list({ accounts: [account], ...filter }, { sort: 'updatedAt', limit: 200 }))
          .items.length;
      assert.equal(await count({ kinds: ['voice'] }), 3);
      assert.equal(await count({ openId: 'open-0' }), 3);
      assert.equal(await count({ labels: { n: '4' } }), 1);
      assert.equal(await count({ mediaIds: [all[0]!.mediaId, all[1]!.mediaId] }), 2);
      assert.equal(await count({ sentFrom: at(1000), sentTo: at(2000) }), 2);
      assert.equal(await count({ expiresBefore: at(72 * HOUR_MS + 1) }), 2);
      assert.equal(await count({ statuses: ['archived', 'dead'] }), 0);
      assert.equal(await count({ errcodes: [40007] }), 0);
      await assert.rejects(
        catalogue.media.list({}, { sort: 'updatedAt', limit: 1, cursor: 'nonsense' }),
        RangeError,
      );
    });

    it('counts by status without counting rows, and groups dead letters by failure', async () => {
      const before = await catalogue.stats.read(NOW);
      const account = 'dead-account';
      const all = [1, 2, 3].map(() => reference({ account }));
      await catalogue.media.insert(all, NOW, false);
      const { claimed: fed } = await catalogue.queue.claim([{ account, capacity: 10 }], NOW, WINDOW);
      const gone = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const;
      await catalogue.outcomes.markFailed(tried(fed[0]!, at(1000)), gone, { to: 'dead' }, true);
      await catalogue.outcomes.markFailed(tried(fed[1]!, at(2000)), gone, { to: 'dead' }, true);
      const after = await catalogue.stats.read(at(3000));
      assert.equal(after.byStatus.dead - before.byStatus.dead, 2);
      assert.equal(after.byStatus.pending - before.byStatus.pending, 1);
      const [counted] = await database.query<{ same: boolean }>(
        `SELECT bool_and(t.n = m.n) AS same FROM (SELECT status, sum(n) AS n FROM ${SCHEMA}.media_count GROUP BY 1 HAVING sum(n) > 0) t
         FULL JOIN (SELECT status, count(*) AS n FROM ${SCHEMA}.media GROUP BY 1) m USING (status)`,
      );
      assert.equal(counted?.same, true, 'the tally equals a count');
      assert.deepEqual(
        (await catalogue.stats.deadLetterGroups(50)).filter((group) => group.account === account),
        [
          {
            account,
            code: 'invalid_media_id',
            errcode: 40007,
            class: 'permanent_media',
            count: 2,
            firstAt: at(1000),
            lastAt: at(2000),
          },
        ],
      );
    });

    it('keeps a token by compare-and-set, and leases lapse', async () => {
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

    it('knows which workers live by the clock of the database, whatever their own clocks say', async () => {
      const beat = async (id: string, aheadMs?: number, isWorker = true) => {
        const conditions = [{ code: 'worker_quiet', since: NOW, count: 2, detail: { n: 1 } }];
        const told = { name: `host (${id})`, isWorker, clockAheadMs: aheadMs, conditions };
        const { live, rank } = await catalogue.processes.heartbeat(id, told);
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

    it('reads customer service on from its cursor, one reader at a time', async () => {
      const { kfCursors: kfSyncs } = catalogue;
      const take = (ms: number, readBefore = -1) =>
        kfSyncs.claim(['ww1'], at(ms), at(ms + 1000), at(readBefore));
      const failure = { code: 'network', class: 'transient' } as const;
      await kfSyncs.requestRead('ww1', 'wk1', 'sealed', NOW);
      assert.equal(await kfSyncs.claim(['ww2'], NOW, at(1000), NOW), undefined, 'of another account');
      const first = await take(0);
      const wanted = { account: 'ww1', openKfId: 'wk1', requestedAt: NOW, tokenCiphertext: 'sealed' };
      assert.deepEqual(first, { ...wanted, failures: 0 });
      assert.equal(await take(999), undefined, 'somebody reads it');
      await kfSyncs.markFailed(
        first!,
        failure,
        { until: at(500), ofAccount: false, dropToken: false },
        at(400),
      );
      assert.equal(await take(499), undefined, 'it waits after a failure');
      const second = await take(500);
      assert.deepEqual(second, { ...wanted, failures: 1, failure }, 'the token is kept');
      await kfSyncs.markFailed(
        second!,
        failure,
        { until: at(2000), ofAccount: false, dropToken: true },
        at(600),
      );
      const { tokenCiphertext: _, ...untold } = wanted;
      const third = await take(2000);
      assert.deepEqual(third, { ...untold, failures: 2, failure }, 'a token that failed is not');
      assert.deepEqual(await kfSyncs.list(['ww1']), [
        { account: 'ww1', openKfId: 'wk1', failure, failingSince: at(400) },
      ]);
      const page = { references: [reference({ account: 'ww1' })], nextCursor: 'c1' };
      assert.equal((await kfSyncs.commitPage(third!, page, at(2000)))?.[0]?.created, true);
      assert.equal(await kfSyncs.commitPage(third!, page, at(2000)), undefined, 'the cursor has moved');
      assert.deepEqual(await kfSyncs.list(['ww1']), [{ account: 'ww1', openKfId: 'wk1', readAt: at(2000) }]);
      assert.equal(await take(9000), undefined, 'all is read');
      const hourly = await take(9000, 2000);
      assert.deepEqual(
        hourly,
        { account: 'ww1', openKfId: 'wk1', cursor: 'c1', failures: 0 },
        'not for long',
      );
      await kfSyncs.release(hourly!);
      await kfSyncs.requestRead('ww1', 'wk1', 'newer', at(9000));
      assert.equal((await take(9000))?.cursor, 'c1');
    });

    it('lets what refuses a customer-service account hold back the others of its account, and a wrong clock nobody', async () => {
      const { kfCursors: kfSyncs } = catalogue;
      const take = (account: string, ms: number) =>
        kfSyncs.claim([account], at(ms), at(ms + 10), at(-1)).then((taken) => taken?.openKfId);
      const refused = { code: 'api_unauthorized', class: 'account', errcode: 48002 } as const;
      for (const openKfId of ['wk1', 'wk2']) await kfSyncs.requestRead('ww3', openKfId, 'sealed', NOW);
      const one = await kfSyncs.claim(['ww3'], NOW, at(10), at(-1));
      await kfSyncs.markFailed(one!, refused, { until: at(300_000), ofAccount: true, dropToken: false }, NOW);
      assert.equal(await take('ww3', 299_999), undefined);
      await kfSyncs.retryNow('ww3');
      assert.equal(await take('ww3', 20), one!.openKfId, 'released, the one that failed is tried');
      assert.equal(await take('ww3', 20), undefined);
      assert.ok(await take('ww3', 300_000));

      await kfSyncs.requestRead('ww4', 'wk1', 'sealed', NOW);
      const ahead = await kfSyncs.claim(['ww4'], at(4 * 86_400_000), at(4 * 86_400_000 + 60_000), NOW);
      assert.equal(ahead?.openKfId, 'wk1', 'by a clock four days ahead');
      assert.equal(await take('ww4', 1), 'wk1', 'it binds nobody else');
    });

    it('keeps a sealed secret, the newest of its name', async () => {
      assert.equal(await catalogue.encryptedSecrets.read('ticket'), undefined);
      await catalogue.encryptedSecrets.write('ticket', 'first', NOW);
      await catalogue.encryptedSecrets.write('ticket', 'second', at(1));
      assert.equal(await catalogue.encryptedSecrets.read('ticket'), 'second');
    });

    it('migrates once, also when many processes start together', async () => {
      const applied = await Promise.all([1, 2, 3].map(() => migrate(database, 'wma_twice', NOW)));
      const all = await readdir(new URL('../../src/catalogue/migrations/', import.meta.url));
      assert.deepEqual(applied.flat(), all.sort());
      assert.deepEqual(await migrate(database, 'wma_twice', NOW), []);
    });

    it('hears of new rows by notification', async () => {
      const controller = new AbortController();
      const heard = new Promise<void>((resolve) => {
        void database
          .listen('wma_due', resolve, controller.signal)
          .then(() => catalogue.media.insert([reference()], NOW, true));
      });
      await heard;
      controller.abort();
    });
  });
}
