import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { idOf, type Reference } from '../../../src/media.ts';
import {
  createInsertBatcher,
  OverloadedError,
  resolveReference,
  UnknownAccountError,
} from '../../../src/pipeline/ingest/insert-batcher.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const account = {
  account: 'wx1',
  name: 'shop',
  product: 'official',
  appId: 'wx1',
  secret: 's',
  token: 't',
  requireEncryption: false,
  concurrency: 4,
} as const;
const input = (mediaId: string): Reference => ({ account: 'wx1', mediaId, kind: 'image', sentAt: NOW });

/** A catalogue whose inserts end when the test wants. */
function setup(write: (references: readonly Reference[]) => Promise<void> = async () => undefined) {
  const batches: string[][] = [];
  let woken = 0;
  const accept = createInsertBatcher({
    clock: { now: () => NOW },
    metrics: createMetrics(),
    onAccepted: () => woken++,
    catalogue: {
      media: {
        insert: async (references) => {
          batches.push(references.map((reference) => reference.mediaId));
          await write(references);
          return references.map((reference) => ({
            id: idOf(reference.account, reference.mediaId),
            account: reference.account,
            status: 'pending',
            created: true,
          }));
        },
      },
    },
  });
  return { accept, batches, woken: () => woken };
}

describe('resolveReference', () => {
  const accounts = createAccounts([account]);
  it('replaces the name of an account by its identity, and a missing time by now', () => {
    const given = { account: 'shop', mediaId: 'a', kind: 'image' } as const;
    assert.deepEqual(resolveReference(given, accounts, NOW), { ...given, account: 'wx1', sentAt: NOW });
  });

  it('refuses an unknown account', () => {
    const given = { account: 'wx2', mediaId: 'a', kind: 'image' } as const;
    assert.throws(() => resolveReference(given, accounts, NOW), UnknownAccountError);
  });
});

describe('the insert batcher', () => {
  it('resolves only after the catalogue has', async () => {
    const blocked = Promise.withResolvers<void>();
    const { accept } = setup(() => blocked.promise);
    let isDone = false;
    const done = accept([input('a')]).then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isDone, false);
    blocked.resolve();
    await done;
  });

  it('batches what arrives while a statement runs, and gives each caller its own result', async () => {
    const blocked = Promise.withResolvers<void>();
    const { accept, batches } = setup(() => blocked.promise);
    const first = accept([input('a')]);
    while (batches.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const others = ['b', 'c', 'd'].map((mediaId) => accept([input(mediaId)]));
    blocked.resolve();
    const accepted = await Promise.all([first, ...others]);
    assert.deepEqual(batches, [['a'], ['b', 'c', 'd']]);
    assert.deepEqual(
      accepted.map(([one]) => one?.id),
      ['a', 'b', 'c', 'd'].map((mediaId) => idOf('wx1', mediaId)),
    );
  });

  it('does not fail its neighbours for one bad reference', async () => {
    const blocked = Promise.withResolvers<void>();
    const { accept } = setup(async (references) => {
      await blocked.promise;
      if (references.some((reference) => reference.mediaId === 'bad'))
        throw new Error('refused by the database');
    });
    const results = ['a', 'b', 'bad', 'c'].map((mediaId) => accept([input(mediaId)]));
    blocked.resolve();
    const outcomes = await Promise.allSettled(results);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
  });

  it('fails all alike when the database is down, in one attempt', async () => {
    const blocked = Promise.withResolvers<void>();
    const { accept, batches } = setup(async () => {
      await blocked.promise;
      throw new DatabaseUnavailableError('down');
    });
    const results = ['a', 'b', 'c'].map((mediaId) => accept([input(mediaId)]));
    blocked.resolve();
    const outcomes = await Promise.allSettled(results);
    assert.ok(
      outcomes.every(
        (result) => result.status === 'rejected' && result.reason instanceof DatabaseUnavailableError,
      ),
    );
    assert.equal(batches.length, 1);
  });

  it('refuses more than may wait in memory', async () => {
    const blocked = Promise.withResolvers<void>();
    const { accept } = setup(() => blocked.promise);
    const batch = Array.from({ length: 500 }, (_, n) => input(`m${n}`));
    const results = Array.from({ length: 40 }, () => accept(batch));
    assert.throws(() => accept(batch), OverloadedError);
    blocked.resolve();
    await Promise.all(results);
  });

  it('wakes the dispatcher once rows are on disk', async () => {
    const { accept, woken } = setup();
    await accept([input('a')]);
    assert.equal(woken(), 1);
  });
});
