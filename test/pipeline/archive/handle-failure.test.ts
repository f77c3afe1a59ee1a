import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MediaRow } from '../../../src/catalogue/media/row.ts';
import { FailureError, failure } from '../../../src/failures.ts';
import { createFailureHandler } from '../../../src/pipeline/archive/handle-failure.ts';
import { createLifetimes } from '../../../src/runtime/clock.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(NOW.getTime() + ms);
const JOB = {
  jobId: 'm_1-3',
  id: 'm_1',
  generation: 3,
  reference: { account: 'wx1', mediaId: 'x', kind: 'image', sentAt: NOW },
  attempt: 1,
} as const;

interface Given {
  row?: Partial<MediaRow> | undefined;
  ours?: boolean;
  remain?: number;
  adopt?: () => Promise<boolean>;
  isCertain?: boolean;
  /** Throws where the catalogue refuses. */
  failed?: (why: { code: string }) => void;
  storeHold?: 'held' | 'clockSkewed';
}

function setup(given: Given = {}) {
  const recorded: unknown[][] = [];
  const holds: unknown[][] = [];
  const answered: string[] = [];
  const said: string[] = [];
  let judged = 0;
  const say = (...args: unknown[]) => void said.push(String(args.at(-1)));
  const metrics = createMetrics();
  const row = {
    id: 'm_1',
    account: 'wx1',
    status: 'pending',
    attempts: 0,
    expiresAt: at(72 * HOUR_MS),
    closesAt: at(74 * HOUR_MS),
    createdAt: NOW,
    updatedAt: NOW,
    ...given.row,
  } as const;
  const settle = createFailureHandler({
    storeHold: {
      probeAfterFailure: async () => {
        judged++;
        return given.storeHold;
      },
    },
    stored: { adopt: given.adopt ?? (async () => false) },
    readQuota: async () => (given.remain === undefined ? undefined : { remain: given.remain }),
    catalogue: {
      media: { get: async () => ('row' in given && !given.row ? undefined : row) },
      outcomes: {
        markFailed: async (of, why, next, spent) => {
          given.failed?.(why);
          recorded.push([of.generation, why.code, next, spent]);
          return given.ours ?? true;
        },
      },
    },
    holds: {
      hold: async (...args) => void holds.push(args),
      reportMediaResponse: async (account) => void answered.push(account),
    },
    clock: { now: () => NOW, isCertain: given.isCertain ?? true },
    lifetimes: createLifetimes({ mediaLifetimeMs: 72 * HOUR_MS, timeScale: 1 }),
    random: () => 0.5,
    metrics,
    log: { info: () => undefined, error: say },
  });
  const expired = async () => (await metrics.expired.get()).values[0]?.value ?? 0;
  return {
    settle: (error: unknown) => settle(JOB, NOW, error),
    recorded,
    holds,
    answered,
    said,
    expired,
    judged: () => judged,
  };
}

const errcode = (code: number, failureClass: 'account' | 'day_quota' | 'permanent_media' | 'unknown') =>
  new FailureError({ code: 'x', class: failureClass, errcode: code });

describe('settle', () => {
  it('takes 45009 for the end of the day, unless the platform says that calls are left', async () => {
    const heldFor = async (remain: number | undefined) => {
      const { settle, holds } = setup(remain === undefined ? {} : { remain });
      await settle(errcode(45009, 'day_quota'));
      return ((holds[0]![1] as Date).getTime() - NOW.getTime()) / 60_000;
    };
    assert.ok((await heldFor(undefined)) > 60, 'not known: to Beijing midnight');
    assert.ok((await heldFor(0)) > 60);
    assert.ok((await heldFor(5)) < 2, 'a minute’s limit');
  });

  for (const code of [40007, 46001]) {
    it(`asks the bucket before it gives a media up on ${code}`, async () => {
      const { settle, recorded } = setup({ adopt: async () => true });
      assert.deepEqual(await settle(errcode(code, 'permanent_media')), { action: 'finish', result: 'found' });
      assert.deepEqual(recorded, []);
    });

    it(`does not give a media up on ${code} while the bucket cannot be asked`, async () => {
      const { settle, recorded } = setup({
        adopt: async () => {
          throw failure('store_unavailable');
        },
      });
      assert.equal((await settle(errcode(code, 'permanent_media'))).action, 'retry');
      assert.deepEqual(
        recorded.map(([, why]) => why),
        ['store_unavailable'],
      );
    });
  }

  it('keeps a short wait in the queue', async () => {
    const { settle, recorded } = setup();
    const disposition = await settle(failure('network'));
    assert.deepEqual(disposition, {
      action: 'retry',
      delayMs: 2_500,
      failure: { code: 'network', class: 'transient' },
    });
    assert.deepEqual(recorded, [[3, 'network', { to: 'queue', at: at(2_500), reason: 'retry' }, true]]);
  });

  it('sends a long wait back to the row', async () => {
    const { settle, recorded } = setup({ row: { attempts: 9 } });
    assert.deepEqual(await settle(failure('network')), { action: 'finish', result: 'later' });
    assert.equal((recorded[0]![2] as { to: string }).to, 'later');
  });

  it('sends what had its last try back to its row, however soon it is closed', async () => {
    const { settle, recorded } = setup({ row: { attempts: 9, expiresAt: at(-10), closesAt: at(20) } });
    assert.deepEqual(await settle(failure('network')), { action: 'finish', result: 'later' });
    assert.equal((recorded[0]![2] as { to: string }).to, 'later');
  });

  it('closes nothing as expired before the bucket was asked, whatever the last failure was', async () => {
    const past = { row: { expiresAt: at(-3 * HOUR_MS), closesAt: at(-HOUR_MS), attempts: 9 } };
    const asked: string[] = [];
    const found = setup({
      ...past,
      adopt: async () => {
        asked.push('bucket');
        return true;
      },
    });
    assert.deepEqual(await found.settle(failure('network')), { action: 'finish', result: 'found' });
    assert.deepEqual(asked, ['bucket']);
    assert.deepEqual(found.recorded, [], 'what is in the bucket whole is not closed');
    const gone = setup(past);
    await gone.settle(failure('network'));
    assert.deepEqual(gone.recorded[0]?.[2], { to: 'expired' });
  });

  it('closes nothing for its age while nobody knows what time it is', async () => {
    const past = { row: { expiresAt: at(-3 * HOUR_MS), closesAt: at(-HOUR_MS), attempts: 9 } };
    const { settle, recorded } = setup({ ...past, isCertain: false });
    await settle(failure('network'));
    assert.deepEqual(recorded[0]?.[2], { to: 'later', at: at(600_000), reason: 'retry' });
  });

  it('records a bare failure that counts where the catalogue refuses an outcome', async () => {
    let refused = 0;
    const { settle, recorded } = setup({
      failed: (why) => {
        if (why.code === 'internal') return;
        refused++;
        throw Object.assign(new Error('invalid byte sequence'), { code: '22021' });
      },
    });
    await settle(errcode(40003, 'unknown'));
    assert.equal(refused, 1);
    assert.equal(recorded.length, 1);
    assert.deepEqual([recorded[0]![1], recorded[0]![3]], ['internal', true]);
  });

  it('closes what is gone: dead before its deadline, expired after it', async () => {
    const early = setup();
    assert.equal((await early.settle(errcode(40007, 'permanent_media'))).action, 'fail');
    assert.deepEqual(early.recorded[0]?.[2], { to: 'dead' });
    assert.equal(await early.expired(), 0);
    const late = setup({ row: { expiresAt: at(-1) } });
    assert.equal((await late.settle(errcode(40007, 'permanent_media'))).action, 'fail');
    assert.deepEqual(late.recorded[0]?.[2], { to: 'expired' });
    assert.equal(await late.expired(), 1);
  });

  it('holds the account and spends no try: the media waits among the due', async () => {
    const { settle, recorded, holds } = setup();
    assert.deepEqual(await settle(errcode(48001, 'account')), { action: 'finish', result: 'later' });
    assert.deepEqual(recorded[0]?.slice(2), [{ to: 'held', at: at(5 * 60_000) }, false]);
    assert.deepEqual(holds[0]?.slice(0, 2), ['wx1', at(5 * 60_000)]);
  });

  it('spends no try on a store that takes nothing, and one on a store that refused this media alone', async () => {
    const storeHold = 'held';
    for (const code of ['store_refused', 'store_unavailable', 'disk_full'] as const) {
      const held = setup({ storeHold });
      assert.deepEqual(await held.settle(failure(code)), { action: 'finish', result: 'later' });
      assert.deepEqual(held.recorded, [[3, code, { to: 'due' }, false]]);
      const own = setup();
      assert.equal((await own.settle(failure(code))).action, 'retry');
      assert.equal(own.recorded[0]?.[3], true);
    }
    const other = setup({ storeHold });
    assert.equal((await other.settle(failure('store_mismatch'))).action, 'retry');
    assert.equal((await other.settle(failure('network'))).action, 'retry');
    assert.equal(other.judged(), 0, 'neither says anything of the store');
  });

  it('takes an answer about the media for a sign that the account is well, and a broken line for none', async () => {
    const { settle, answered } = setup();
    await settle(failure('network'));
    await settle(errcode(48001, 'account'));
    assert.deepEqual(answered, []);
    await settle(errcode(40007, 'permanent_media'));
    assert.deepEqual(answered, ['wx1']);
  });

  it('lets a media of an account that only this process does not know wait alone', async () => {
    const { settle, recorded, holds } = setup();
    await settle(failure('account_unknown'));
    assert.deepEqual(holds, []);
    assert.equal((recorded[0]![2] as { to: string }).to, 'later');
    assert.equal(recorded[0]?.[3], false);
  });

  it('does nothing about a row that is settled, erased or gone', async () => {
    for (const row of [{ status: 'archived' }, { status: 'erased' }, undefined] as const) {
      const { settle, recorded } = setup({ row });
      assert.deepEqual(await settle(failure('network')), {
        action: 'finish',
        result: 'superseded',
        removeOnComplete: true,
      });
      assert.deepEqual(recorded, []);
    }
  });

  it('counts nothing where another generation has taken over', async () => {
    const { settle, expired } = setup({ ours: false, row: { expiresAt: at(-1) } });
    const disposition = await settle(errcode(40007, 'permanent_media'));
    assert.deepEqual(disposition, { action: 'finish', result: 'superseded', removeOnComplete: true });
    assert.equal(await expired(), 0);
  });

  it('treats an error that nobody foresaw as unknown, and says it aloud', async () => {
    const { settle, recorded, said } = setup({ row: { attempts: 2 } });
    assert.equal((await settle(new TypeError('x is not a function'))).action, 'fail');
    assert.deepEqual(recorded[0]?.slice(1, 3), ['internal', { to: 'dead' }]);
    assert.deepEqual(said, ['unexpected error in a try']);
  });
});
