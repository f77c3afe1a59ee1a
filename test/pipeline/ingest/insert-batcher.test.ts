import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import { DatabaseAwayError } from '../../../src/catalogue/database/database.ts';
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

/** A catalogue whose writes end when the test says so. */
function setup(write: (references: readonly Reference[]) => Promise<void> = async () => undefined) {
  const groups: string[][] = [];
  let woken = 0;
  const accept = createInsertBatcher({
    clock: { now: () => NOW },
    metrics: createMetrics(),
    onAccepted: () => woken++,
    catalogue: {
      media: {
        insert: async (references) => {
          groups.push(references.map((reference) => reference.mediaId));
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
  return { accept, groups, woken: () => woken };
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

describe('accept', () => {
  it('answers only after the catalogue has', async () => {
    const gate = Promise.withResolvers<void>();
    const { accept } = setup(() => gate.promise);
    let answered = false;
    const answer = accept([input('a')]).then(() => {
      answered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(answered, false);
    gate.resolve();
    await answer;
  });

  it('groups what comes in while a statement is on its way, and gives everyone their own answer', async () => {
    const gate = Promise.withResolvers<void>();
    const { accept, groups } = setup(() => gate.promise);
    const answers = ['a', 'b', 'c', 'd'].map((mediaId) => accept([input(mediaId)]));
    gate.resolve();
    const accepted = await Promise.all(answers);
    assert.deepEqual(groups, [['a'], ['b', 'c', 'd']]);
    assert.deepEqual(
      accepted.map(([one]) => one?.id),
      ['a', 'b', 'c', 'd'].map((mediaId) => idOf('wx1', mediaId)),
    );
  });

  it('does not let one bad reference fail its neighbours', async () => {
    const gate = Promise.withResolvers<void>();
    const { accept } = setup(async (references) => {
      await gate.promise;
      if (references.some((reference) => reference.mediaId === 'bad'))
        throw new Error('refused by the database');
    });
    const answers = ['a', 'b', 'bad', 'c'].map((mediaId) => accept([input(mediaId)]));
    gate.resolve();
    const results = await Promise.allSettled(answers);
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
  });

  it('fails all alike when the database is away, in one attempt', async () => {
    const gate = Promise.withResolvers<void>();
    const { accept, groups } = setup(async () => {
      await gate.promise;
      throw new DatabaseAwayError('away');
    });
    const answers = ['a', 'b', 'c'].map((mediaId) => accept([input(mediaId)]));
    gate.resolve();
    const results = await Promise.allSettled(answers);
    assert.ok(
      results.every((result) => result.status === 'rejected' && result.reason instanceof DatabaseAwayError),
    );
    assert.equal(groups.length, 2);
  });

  it('refuses more than it may keep in memory instead of growing', async () => {
    const gate = Promise.withResolvers<void>();
    const { accept } = setup(() => gate.promise);
    const batch = Array.from({ length: 500 }, (_, n) => input(`m${n}`));
    const answers = Array.from({ length: 41 }, () => accept(batch));
    assert.throws(() => accept(batch), OverloadedError);
    gate.resolve();
    await Promise.all(answers);
  });

  it('wakes the feeder once rows are on disk', async () => {
    const { accept, woken } = setup();
    await accept([input('a')]);
    assert.equal(woken(), 1);
  });
});
