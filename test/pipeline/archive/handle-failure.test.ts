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
  const reported: string[] = [];
  const errors: string[] = [];
  let probes = 0;
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
  const handle = createFailureHandler({
    storeHold: {
      probeAfterFailure: async () => {
        probes++;
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
      reportMediaResponse: async (account) => void reported.push(account),
    },
    clock: { now: () => NOW, isCertain: given.isCertain ?? true },
    lifetimes: createLifetimes({ mediaLifetimeMs: 72 * HOUR_MS, timeScale: 1 }),
    random: () => 0.5,
    metrics,
    log: { info: () => undefined, error: (...args: unknown[]) => void errors.push(String(args.at(-1))) },
  });
  const expired = async () => (await metrics.expired.get()).values[0]?.value ?? 0;
  const dead = async () => (await metrics.dead.get()).values[0]?.value;
  return {
    handle: (error: unknown) => handle(JOB, NOW, error),
    recorded,
    holds,
    reported,
    errors,
    expired,
    dead,
    probes: () => probes,
  };
}

/** As the table of errcodes names them. */
const CODES: Record<number, string> = { 40007: 'invalid_media_id', 46001: 'media_not_found' };
const errcode = (code: number, failureClass: 'account' | 'day_quota' | 'permanent_media' | 'unknown') =>
  new FailureError({ code: CODES[code] ?? 'x', class: failureClass, errcode: code });

describe('handleFailure', () => {
  it('holds the account to the end of the day on 45009, or for a minute where calls are left', async () => {
    const heldFor = async (remain: number | undefined) => {
      const { handle, holds } = setup(remain === undefined ? {} : { remain });
      await handle(errcode(45009, 'day_quota'));
      return ((holds[0]![1] as Date).getTime() - NOW.getTime()) / 60_000;
    };
    assert.ok((await heldFor(undefined)) > 60, 'to Beijing midnight where it is not known');
    assert.ok((await heldFor(0)) > 60);
    assert.ok((await heldFor(5)) < 2, 'a minute’s limit');
  });

  for (const code of [40007, 46001]) {
    it(`searches the bucket before it closes an item on ${code}`, async () => {
      const { handle, recorded } = setup({ adopt: async () => true });
      assert.deepEqual(await handle(errcode(code, 'permanent_media')), { action: 'finish', result: 'found' });
      assert.deepEqual(recorded, []);
    });

    it(`closes no item on ${code} while the bucket does not respond`, async () => {
      const { handle, recorded } = setup({
        adopt: async () => {
          throw failure('store_unavailable');
        },
      });
      assert.equal((await handle(errcode(code, 'permanent_media'))).action, 'retry');
      assert.deepEqual(
        recorded.map(([, why]) => why),
        ['store_unavailable'],
      );
    });
  }

  it('keeps a short wait in the queue', async () => {
    const { handle, recorded } = setup();
    const result = await handle(failure('network'));
    assert.deepEqual(result, {
      action: 'retry',
      delayMs: 2_500,
      failure: { code: 'network', class: 'transient' },
    });
    assert.deepEqual(recorded, [[3, 'network', { to: 'queue', at: at(2_500), reason: 'retry' }, true]]);
  });

  it('sends a long wait back to the row', async () => {
    const { handle, recorded } = setup({ row: { attempts: 9 } });
    assert.deepEqual(await handle(failure('network')), { action: 'finish', result: 'later' });
    assert.equal((recorded[0]![2] as { to: string }).to, 'later');
  });

  it('sends what had its last attempt back to its row, however soon it is closed', async () => {
    const { handle, recorded } = setup({ row: { attempts: 9, expiresAt: at(-10), closesAt: at(20) } });
    assert.deepEqual(await handle(failure('network')), { action: 'finish', result: 'later' });
    assert.equal((recorded[0]![2] as { to: string }).to, 'later');
  });

  it('closes nothing as expired before the bucket was searched, whatever the last failure was', async () => {
    const past = { row: { expiresAt: at(-3 * HOUR_MS), closesAt: at(-HOUR_MS), attempts: 9 } };
    let searches = 0;
    const found = setup({
      ...past,
      adopt: async () => {
        searches++;
        return true;
      },
    });
    assert.deepEqual(await found.handle(failure('network')), { action: 'finish', result: 'found' });
    assert.equal(searches, 1);
    assert.deepEqual(found.recorded, [], 'what is in the bucket whole is not closed');
    const gone = setup(past);
    await gone.handle(failure('network'));
    assert.deepEqual(gone.recorded[0]?.[2], { to: 'expired' });
  });

  it('closes nothing for its age while the time is not known', async () => {
    const past = { row: { expiresAt: at(-3 * HOUR_MS), closesAt: at(-HOUR_MS), attempts: 9 } };
    const { handle, recorded } = setup({ ...past, isCertain: false });
    await handle(failure('network'));
    assert.deepEqual(recorded[0]?.[2], { to: 'later', at: at(600_000), reason: 'retry' });
  });

  it('records a bare failure that counts where the catalogue refuses the outcome', async () => {
    let refused = 0;
    const { handle, recorded } = setup({
      failed: (why) => {
        if (why.code === 'internal') return;
        refused++;
        throw Object.assign(new Error('invalid byte sequence'), { code: '22021' });
      },
    });
    await handle(errcode(40003, 'unknown'));
    assert.equal(refused, 1);
    assert.equal(recorded.length, 1);
    assert.deepEqual([recorded[0]![1], recorded[0]![3]], ['internal', true]);
  });

  it('closes what WeChat does not have: dead before its deadline, expired after it', async () => {
    const early = setup();
    assert.equal((await early.handle(errcode(40007, 'permanent_media'))).action, 'fail');
    assert.deepEqual(early.recorded[0]?.[2], { to: 'dead' });
    assert.equal(await early.expired(), 0);
    assert.equal(await early.dead(), 1);
    const late = setup({ row: { expiresAt: at(-1) } });
    assert.equal((await late.handle(errcode(40007, 'permanent_media'))).action, 'fail');
    assert.deepEqual(late.recorded[0]?.[2], { to: 'expired' });
    assert.equal(await late.expired(), 1);
    assert.equal(await late.dead(), 0);
  });

  it('holds the account without counting an attempt, and the item becomes due', async () => {
    const { handle, recorded, holds } = setup();
    assert.deepEqual(await handle(errcode(48001, 'account')), { action: 'finish', result: 'later' });
    assert.deepEqual(recorded[0]?.slice(2), [{ to: 'held', at: at(5 * 60_000) }, false]);
    assert.deepEqual(holds[0]?.slice(0, 2), ['wx1', at(5 * 60_000)]);
  });

  it('counts no attempt while the store rejects everything, and one where it rejected this item alone', async () => {
    const storeHold = 'held';
    for (const code of ['store_refused', 'store_unavailable', 'disk_full'] as const) {
      const held = setup({ storeHold });
      assert.deepEqual(await held.handle(failure(code)), { action: 'finish', result: 'later' });
      assert.deepEqual(held.recorded, [[3, code, { to: 'due' }, false]]);
      const own = setup();
      assert.equal((await own.handle(failure(code))).action, 'retry');
      assert.equal(own.recorded[0]?.[3], true);
    }
    const other = setup({ storeHold });
    assert.equal((await other.handle(failure('store_mismatch'))).action, 'retry');
    assert.equal((await other.handle(failure('network'))).action, 'retry');
    assert.equal(other.probes(), 0, 'neither may be a failure of the whole store');
  });

  it('reports a response about the item as a sign that the account works, and a broken connection not', async () => {
    const { handle, reported } = setup();
    await handle(failure('network'));
    await handle(errcode(48001, 'account'));
    assert.deepEqual(reported, []);
    await handle(errcode(40007, 'permanent_media'));
    assert.deepEqual(reported, ['wx1']);
  });

  it('lets an item of an account that this process does not know wait alone', async () => {
    const { handle, recorded, holds } = setup();
    await handle(failure('account_unknown'));
    assert.deepEqual(holds, []);
    assert.equal((recorded[0]![2] as { to: string }).to, 'later');
    assert.equal(recorded[0]?.[3], false);
  });

  it('records nothing for a row that is archived, erased or gone', async () => {
    for (const row of [{ status: 'archived' }, { status: 'erased' }, undefined] as const) {
      const { handle, recorded } = setup({ row });
      assert.deepEqual(await handle(failure('network')), {
        action: 'finish',
        result: 'superseded',
        removeOnComplete: true,
      });
      assert.deepEqual(recorded, []);
    }
  });

  it('counts nothing for a row of another generation', async () => {
    const { handle, expired } = setup({ ours: false, row: { expiresAt: at(-1) } });
    const result = await handle(errcode(40007, 'permanent_media'));
    assert.deepEqual(result, { action: 'finish', result: 'superseded', removeOnComplete: true });
    assert.equal(await expired(), 0);
  });

  it('treats an unexpected error as unknown and logs it', async () => {
    const { handle, recorded, errors } = setup({ row: { attempts: 2 } });
    assert.equal((await handle(new TypeError('x is not a function'))).action, 'fail');
    assert.deepEqual(recorded[0]?.slice(1, 3), ['internal', { to: 'dead' }]);
    assert.deepEqual(errors, ['archive: unexpected error']);
  });
});
