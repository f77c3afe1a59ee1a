import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure } from '../../../src/failures.ts';
import { createSweeper, type SweeperDeps } from '../../../src/pipeline/maintenance/sweeper.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createRecordingLog } from '../recording-log.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const never = new AbortController().signal;

const row = (id: string) =>
  ({ id, account: 'wx1', status: 'pending', attempts: 1, createdAt: NOW, updatedAt: NOW }) as const;

type Changed = Partial<SweeperDeps['catalogue']['outcomes']> & {
  takeLease?: SweeperDeps['catalogue']['leases']['take'];
  listOpenUploads?: SweeperDeps['catalogue']['uploads']['listOpen'];
  lost?: SweeperDeps['queue']['lost'];
  misplaced?: SweeperDeps['queue']['misplaced'];
  abortMultipart?: SweeperDeps['store']['abortMultipart'];
  adopt?: SweeperDeps['stored']['adopt'];
};

function setup({
  takeLease,
  listOpenUploads,
  lost,
  misplaced,
  abortMultipart,
  adopt,
  ...outcomes
}: Changed = {}) {
  const calls: unknown[][] = [];
  const record =
    <T>(name: string, result: T) =>
    async (...args: unknown[]): Promise<T> => {
      calls.push([name, ...args]);
      return result;
    };
  let woken = 0;
  const metrics = createMetrics();
  const { log, lines } = createRecordingLog();
  const sweeper = createSweeper({
    catalogue: {
      leases: { take: takeLease ?? record('takeLease', true), drop: record('dropLease', undefined) },
      queue: {
        listClaimedBefore: record('listClaimedBefore', [
          { id: 'm_1', generation: 1, claimedAt: ago(70_000) },
          { id: 'm_2', generation: 5, claimedAt: ago(15_000) },
        ]),
        requeue: async (jobs) => {
          calls.push(['requeue', jobs]);
          return jobs.length;
        },
      },
      outcomes: {
        listExpiring: record('listExpiring', []),
        closeExpired: async (ids) => {
          calls.push(['closeExpired', ids]);
          return ids.map((id) => ({ id }));
        },
        ...outcomes,
      },
      uploads: {
        listOpen: listOpenUploads ?? record('listOpenUploads', []),
        clear: record('clearUpload', undefined),
      },
    },
    queue: { lost: lost ?? (async () => []), misplaced: misplaced ?? (async () => []) },
    store: { bucket: 'b', abortMultipart: abortMultipart ?? record('abort', undefined) },
    stored: { adopt: adopt ?? (async () => false) },
    metrics,
    clock: { now: () => NOW, sleep: async () => undefined },
    lifetimes: { closingMs: 7_200_000 },
    log,
    windowRows: 1_000,
    onFreed: () => woken++,
  });
  return {
    sweeper,
    woken: () => woken,
    of: (name: string) => calls.filter(([called]) => called === name).map((call) => call.slice(1)),
    messages: () => lines.map(({ message }) => message),
    backgroundErrors: async () => (await metrics.backgroundErrors.get()).values[0]?.value,
    expired: async () => (await metrics.expired.get()).values[0]?.value ?? 0,
  };
}

describe('the sweeper', () => {
  it('frees only the rows whose job is gone, and wakes the dispatcher', async () => {
    const { sweeper, of, woken } = setup({ lost: async (ids) => ids.filter((id) => id === 'm_2-5') });
    assert.equal((await sweeper.sweep(never))?.freed, 1);
    assert.deepEqual(of('requeue'), [[[{ id: 'm_2', generation: 5 }]]]);
    assert.deepEqual(
      of('listClaimedBefore'),
      [[ago(10_000), 1_000]],
      'a job that was just claimed is not lost',
    );
    assert.equal(woken(), 1);
  });

  it('checks the place only of jobs that were added at least a minute ago', async () => {
    const asked: (readonly string[])[] = [];
    const misplaced = async (ids: readonly string[]) => {
      asked.push(ids);
      return [...ids];
    };
    const { sweeper, of } = setup({ misplaced });
    assert.equal((await sweeper.sweep(never))?.freed, 1);
    assert.deepEqual(asked, [['m_1-1']]);
    assert.deepEqual(of('requeue'), [[[{ id: 'm_1', generation: 1 }]]]);
  });

  it('changes nothing where nothing is lost', async () => {
    const { sweeper, of, woken } = setup();
    assert.deepEqual(await sweeper.sweep(never), { freed: 0, expired: 0, aborted: 0, errors: [] });
    assert.deepEqual(of('requeue'), []);
    assert.equal(woken(), 0);
  });

  it('counts the rows that it closes', async () => {
    const { sweeper, expired } = setup({ listExpiring: async () => [row('m_1'), row('m_2')] });
    assert.equal((await sweeper.sweep(never))?.expired, 2);
    assert.equal(await expired(), 2);
  });

  it('checks the bucket before it closes: a row whose object is stored whole is archived, not closed', async () => {
    const { sweeper, of, expired } = setup({
      listExpiring: async () => [row('m_1'), row('m_2'), row('m_3')],
      adopt: async ({ id }) => id === 'm_2',
    });
    assert.equal((await sweeper.sweep(never))?.expired, 2);
    assert.deepEqual(of('closeExpired'), [[['m_1', 'm_3']]]);
    assert.equal(await expired(), 2);
  });

  it('closes nothing while the store is unavailable', async () => {
    const { sweeper, of, expired } = setup({
      listExpiring: async () => Array.from({ length: 30 }, (_, n) => row(`m_${n}`)),
      adopt: async () => {
        throw failure('store_unavailable');
      },
    });
    assert.equal((await sweeper.sweep(never))?.expired, 0);
    assert.deepEqual(of('closeExpired'), []);
    assert.equal(await expired(), 0);
  });

  it('closes the others where the store does not respond for one, and checks that one last in the next sweep', async () => {
    const asked: string[] = [];
    const { sweeper, of } = setup({
      listExpiring: async () => Array.from({ length: 30 }, (_, n) => row(`m_${n}`)),
      adopt: async ({ id }) => {
        asked.push(id);
        if (id === 'm_0') throw failure('store_unavailable');
        return false;
      },
    });
    assert.equal((await sweeper.sweep(never))?.expired, 29);
    const closed = of('closeExpired')[0]?.[0] as readonly string[];
    assert.ok(!closed.includes('m_0'));
    asked.length = 0;
    await sweeper.sweep(never);
    assert.equal(asked.at(-1), 'm_0');
  });

  it('aborts the other uploads where one may not be aborted, and retries that one later', async () => {
    const aborted: string[] = [];
    const { sweeper, of } = setup({
      listOpenUploads: async () =>
        ['u1', 'u2', 'u3'].map((id) => ({ id: `m_${id}`, bucket: 'b', objectKey: 'k', uploadId: id })),
      abortMultipart: async (_, uploadId) => {
        aborted.push(uploadId);
        if (uploadId === 'u1') throw failure('store_refused', 'HTTP 403 AccessDenied');
      },
    });
    assert.equal((await sweeper.sweep(never))?.aborted, 2);
    assert.deepEqual(of('clearUpload'), [
      ['m_u2', 'u2'],
      ['m_u3', 'u3'],
    ]);
    await sweeper.sweep(never);
    assert.deepEqual(aborted, ['u1', 'u2', 'u3', 'u2', 'u3']);
  });

  it('aborts uploads that were left open, and only clears those of another bucket', async () => {
    const uploads = [
      { id: 'm_1', bucket: 'b', objectKey: 'k1', uploadId: 'u1' },
      { id: 'm_2', bucket: 'old', objectKey: 'k2', uploadId: 'u2' },
    ];
    const { sweeper, of } = setup({ listOpenUploads: async () => uploads });
    await sweeper.sweep(never);
    assert.deepEqual(
      of('abort').map(([key, uploadId]) => [key, uploadId]),
      [['k1', 'u1']],
    );
    assert.deepEqual(of('clearUpload'), [
      ['m_1', 'u1'],
      ['m_2', 'u2'],
    ]);
  });

  it('does each step even where another fails, and keeps the upload that it could not abort', async () => {
    const { sweeper, of } = setup({
      lost: async () => {
        throw new Error('the queue is down');
      },
      listOpenUploads: async () => [{ id: 'm_1', bucket: 'b', objectKey: 'k1', uploadId: 'u1' }],
      abortMultipart: async () => {
        throw failure('store_unavailable');
      },
    });
    const { errors, ...counts } = (await sweeper.sweep(never))!;
    assert.deepEqual(counts, { freed: 0, expired: 0, aborted: 0 });
    assert.match(
      errors.map(({ message }) => message).join(', '),
      /^freeLost: the queue is down, abortUploads: /,
    );
    assert.equal(of('listExpiring').length, 1);
    assert.deepEqual(of('clearUpload'), []);
  });

  it('leaves the work to the process that has the lease', async () => {
    const { sweeper, of } = setup({ takeLease: async () => false });
    assert.equal(await sweeper.sweep(never), undefined);
    assert.deepEqual(of('listClaimedBefore'), []);
  });

  it('sweeps until its signal aborts, whatever fails, and gives the lease back', async () => {
    const controller = new AbortController();
    let sweeps = 0;
    const { sweeper, of, messages, backgroundErrors } = setup({
      takeLease: async () => {
        sweeps++;
        if (sweeps === 1) return true;
        if (sweeps === 4) controller.abort(new Error('closing'));
        throw new Error('down');
      },
    });
    await sweeper.run(controller.signal);
    assert.equal(sweeps, 4);
    assert.equal(await backgroundErrors(), 2);
    assert.equal(messages()[0], 'sweeper: failed, retrying');
    assert.equal(of('dropLease').length, 1);
  });
});
