/** How an erasure proceeds with a store that locks, hides or is unavailable; a real catalogue, a store with versions. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Unfinished } from '../../../src/catalogue/erasure/media-erasure.ts';
import { failure } from '../../../src/failures.ts';
import { decideNextErase } from '../../../src/pipeline/maintenance/erase-policy.ts';
import { createEraser, type EraserDeps } from '../../../src/pipeline/maintenance/eraser.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { createStore, type Store } from '../../../src/storage/store.ts';
import { backends, setup } from '../../catalogue/backends.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { flow, picture } from '../../storage/setup.ts';
import { openVersionedS3, type VersionedS3 } from '../../storage/versioned-s3.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WHY = { actor: 'a key', reason: 'asked for' };
const soon = () => AbortSignal.timeout(20_000);
const log = createLog({ level: 'silent', program: 'test', secrets: [] });

describe('decideNextErase', () => {
  const at = (ms: number) => new Date(NOW.getTime() + ms);
  const after = (why: Unfinished, sinceMs: number) =>
    decideNextErase(why, at(-sinceMs), NOW).getTime() - NOW.getTime();
  const locked = (ms: number) =>
    ({ bucket: 'b', key: 'k', why: 'locked', until: at(ms).toISOString() }) as const;
  const failed = { why: 'failure', problem: 'x' } as const;

  it('retries soon while an attempt is in flight, however long that takes', () => {
    assert.equal(after({ why: 'busy' }, DAY_MS), SECOND_MS);
  });
  it('retries later and later after errors, up to an hour', () => {
    assert.deepEqual(
      [0, 60 * SECOND_MS, 9 * DAY_MS].map((sinceMs) => after(failed, sinceMs)),
      [5 * SECOND_MS, 60 * SECOND_MS, HOUR_MS],
    );
  });
  it('retries when the first lock ends, but within a day, and not before the usual backoff', () => {
    const kept = (...ends: number[]) => after({ why: 'kept', left: ends.map(locked) }, 0);
    assert.equal(kept(9 * HOUR_MS, 2 * HOUR_MS), 2 * HOUR_MS);
    assert.equal(kept(9 * DAY_MS), DAY_MS);
    assert.equal(kept(-HOUR_MS), 5 * SECOND_MS);
  });
  it('retries after the usual backoff where the end of a lock is unknown', () => {
    const left = [locked(DAY_MS), { bucket: 'b', key: 'k', why: 'refused' } as const];
    assert.equal(after({ why: 'kept', left }, 60 * SECOND_MS), 60 * SECOND_MS);
  });
});

describe('the eraser', () => {
  let catalogue: Catalogue;
  let store: Store;
  let s3: VersionedS3;
  let now = NOW;
  let forget: EraserDeps['queue']['remove'] = async () => [];
  const cleanup = createCleanup();
  before(async () => {
    ({ catalogue } = (await setup(cleanup.hooks, backends[0]!.open))!);
    s3 = await openVersionedS3(cleanup.hooks);
    // The store compares the time of its responses with ours.
    store = createStore({ ...s3.options, clock: systemClock });
    cleanup.hooks.after(() => store.close());
  });
  after(() => cleanup.run());

  const clock = { now: () => now, sleep: async () => undefined };
  const later = (ms: number) => {
    now = new Date(now.getTime() + ms);
  };
  const eraser = (changed: Partial<EraserDeps> = {}, options: Parameters<typeof createEraser>[1] = {}) =>
    createEraser(
      {
        catalogue,
        store,
        clock,
        log,
        accounts: createAccounts([]),
        queue: { remove: (...given) => forget(...given) },
        ...changed,
      },
      options,
    );

  let serial = 0;
  async function archived(keys = [`object-${++serial}.jpg`]) {
    const account = `eraser-${++serial}`;
    await catalogue.media.insert([{ account, mediaId: 'm', kind: 'image', sentAt: now }], now, false);
    const [job] = (await catalogue.queue.claim([{ account, capacity: 9 }], now, 9)).claimed;
    const of = { id: job!.id, generation: job!.generation, startedAt: now, endedAt: now };
    for (const key of keys) {
      await catalogue.outcomes.reserve(of, { bucket: 'media', objectKey: key }, now);
      await store.put({ ...picture, key, body: flow(Buffer.from(key)), signal: soon() });
    }
    const objectKey = keys.at(-1)!;
    const found = { sizeBytes: 1, sha256: 'f', contentType: 'image/jpeg', source: 'media_get' } as const;
    await catalogue.outcomes.markArchived(of, { ...found, bucket: 'media', objectKey, lengthVerified: true });
    return { id: of.id, keys };
  }
  const row = async (id: string) => (await catalogue.media.get(id))!;

  it('deletes every object that the row ever named, in all versions', async () => {
    const { id, keys } = await archived(['a.jpg', 'a-pic.jpg', 'a.jpg', 'b.png']);
    assert.equal(s3.versions('a.jpg').length, 2);
    await eraser().erase([id], WHY, soon());
    assert.ok((await row(id)).erasedAt);
    for (const key of keys) assert.deepEqual(s3.versions(key), []);
  });

  it('reports what is locked and until when, and finishes when the lock has ended', async () => {
    const until = new Date(Date.now() + DAY_MS);
    s3.lock(until);
    const { id, keys } = await archived();
    s3.lock(undefined);
    const { kept } = await eraser().erase([id], WHY, soon());
    assert.equal(kept.length, 1);
    assert.deepEqual([kept[0]?.why, kept[0]?.until, kept[0]?.key], ['locked', until.toISOString(), keys[0]]);
    const { status, mediaId, erasedAt, erasing } = await row(id);
    assert.deepEqual([status, mediaId, erasedAt], ['erased', undefined, undefined]);
    assert.deepEqual(erasing?.why === 'kept' && erasing.left, kept);
    await eraser().sweep(soon());
    assert.equal((await row(id)).erasedAt, undefined, 'it waits');
    s3.unlock();
    later(2 * DAY_MS + 365 * DAY_MS);
    await eraser().sweep(soon());
    assert.ok((await row(id)).erasedAt);
    assert.deepEqual(s3.versions(keys[0]!), []);
  });

  it('does not report success while the store is down, and continues when it is back', async () => {
    const { id, keys } = await archived();
    s3.status = 503;
    await eraser().erase([id], WHY, soon());
    assert.equal((await row(id)).erasing?.why, 'failure');
    s3.status = undefined;
    assert.equal(s3.versions(keys[0]!).length, 1);
    later(HOUR_MS);
    await eraser().sweep(soon());
    assert.ok((await row(id)).erasedAt);
    assert.deepEqual(s3.versions(keys[0]!), []);
  });

  it('deletes the object although the queue is down, and finishes when the job is removed too', async () => {
    const { id, keys } = await archived();
    forget = async () => {
      throw new Error('queue: forget: no answer');
    };
    await eraser().erase([id], WHY, soon());
    assert.deepEqual(s3.versions(keys[0]!), []);
    assert.deepEqual((await row(id)).erasing?.why, 'failure');
    forget = async () => [];
    later(HOUR_MS);
    await eraser().sweep(soon());
    assert.ok((await row(id)).erasedAt);
  });

  it('waits for the worker that runs the job, and deletes what that has stored', async () => {
    const { id, keys } = await archived();
    forget = async () => [id];
    await eraser().erase([id], WHY, soon());
    assert.equal((await row(id)).erasing?.why, 'busy');
    // The worker's PUT arrives, and the worker dies.
    await store.put({ ...picture, key: keys[0]!, body: flow(Buffer.from('late')), signal: soon() });
    forget = async () => [];
    later(2 * SECOND_MS);
    await eraser().sweep(soon());
    assert.ok((await row(id)).erasedAt);
    assert.deepEqual(s3.versions(keys[0]!), []);
  });

  it('deletes the other objects of an item where the store fails for one', async () => {
    for (const index of [0, 1, 2]) {
      const { id, keys } = await archived(['c', 'd', 'e'].map((name) => `${name}${index}.jpg`));
      const failing: EraserDeps['store'] = {
        ...store,
        erase: async (key, signal) => {
          if (key === keys[index]) throw failure('store_unavailable');
          return await store.erase(key, signal);
        },
      };
      await eraser({ store: failing }).erase([id], WHY, soon());
      assert.equal((await row(id)).erasing?.why, 'failure');
      assert.deepEqual(
        keys.filter((key) => s3.versions(key).length > 0),
        [keys[index]],
      );
    }
  });

  it('reports what is in another bucket, and does not report that as erased', async () => {
    const { id, keys } = await archived();
    const { kept } = await eraser({ store: { ...store, bucket: 'the-new-one' } }).erase([id], WHY, soon());
    assert.deepEqual(kept, [{ bucket: 'media', key: keys[0], why: 'otherBucket' }]);
    assert.equal((await row(id)).erasing?.why, 'kept');
    assert.equal(s3.versions(keys[0]!).length, 1);
  });

  it('aborts the upload of an item, and waits for a job that may be on its way to the queue', async () => {
    const account = `eraser-${++serial}`;
    await catalogue.media.insert([{ account, mediaId: 'm', kind: 'image', sentAt: now }], now, false);
    const [job] = (await catalogue.queue.claim([{ account, capacity: 9 }], now, 9)).claimed;
    await catalogue.outcomes.reserve(job!, { bucket: 'media', objectKey: 'f.mp4' }, now);
    assert.ok(await catalogue.uploads.record(job!, 'u1'));
    const aborted: unknown[] = [];
    const watched: EraserDeps['store'] = {
      ...store,
      abortMultipart: async (key, uploadId) => void aborted.push([key, uploadId]),
    };
    await eraser({ store: watched }).erase([job!.id], WHY, soon());
    assert.deepEqual(aborted, [['f.mp4', 'u1']]);
    assert.equal((await row(job!.id)).erasing?.why, 'busy');
    later(11 * SECOND_MS);
    await eraser().sweep(soon());
    assert.ok((await row(job!.id)).erasedAt);
  });

  it('erases what is past its retention only by a clock that is certain', async () => {
    const { id } = await archived();
    later(2 * DAY_MS);
    const uncertain = { now: () => now, sleep: async () => undefined, isCertain: false };
    await eraser({ clock: uncertain }, { retentionMs: DAY_MS }).sweep(soon());
    assert.equal((await row(id)).status, 'archived');
    await eraser({}, { retentionMs: 3 * DAY_MS }).sweep(soon());
    assert.equal((await row(id)).status, 'archived');
    await eraser({}, { retentionMs: DAY_MS }).sweep(soon());
    assert.equal((await row(id)).status, 'erased');
  });

  it('gives up an openId that it cannot decrypt any more, and records why', async () => {
    const account = {
      account: 'wx1',
      product: 'official',
      appId: 'wx1',
      secret: 'a new secret',
      token: 't',
      requireEncryption: false,
      concurrency: 1,
    } as const;
    const given = { account: 'wx1', openIdCiphertext: 'v1.encrypted-with-another-secret', ...WHY };
    const id = await catalogue.erasures.createForOpenId(given, now, now);
    const deps = { catalogue, store, clock, log, queue: { remove: forget } };
    await createEraser({ ...deps, accounts: createAccounts([account]) }).sweep(soon());
    const erasure = await catalogue.erasures.get(id);
    assert.equal(erasure?.state, 'failed');
    assert.match(erasure.problem ?? '', /secret/);
  });
});
