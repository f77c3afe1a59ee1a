import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { type FailureError, failure } from '../../../src/failures.ts';
import {
  type AttemptHandler,
  composeMiddleware,
  createJobMiddleware,
  type JobMiddlewareDeps,
} from '../../../src/pipeline/archive/job-middleware.ts';
import { createAccountLimiter } from '../../../src/pipeline/dispatch/account-limiter.ts';
import type { ArchiveJob } from '../../../src/queue/consumer.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const never = new AbortController().signal;
const JOB: ArchiveJob = {
  jobId: 'm_1-3',
  id: 'm_1',
  generation: 3,
  reference: { account: 'wx1', mediaId: 'media-1', kind: 'image', sentAt: NOW },
  attempt: 1,
};
const ARCHIVED = { action: 'finish', result: 'archived' } as const;
const OUTAGE = { action: 'requeue', delayMs: 2_000 } as const;
const unavailable = async () => {
  throw new DatabaseUnavailableError('unavailable');
};

function setup(changes: Partial<JobMiddlewareDeps> & { attempt?: AttemptHandler } = {}) {
  const events: string[] = [];
  const deps: JobMiddlewareDeps = {
    accounts: createAccounts([{ account: 'wx1', name: 'shop', concurrency: 1 } as never]),
    catalogue: {
      media: { get: async () => ({ status: 'pending', objectKey: 'k' }) as never },
      ping: async () => void events.push('ping'),
    },
    dispatcher: { jobFinished: () => void events.push('finished') },
    storeHold: { runUnlessHeld: (_job, signal, run) => run(signal) },
    storedObjects: {
      adopt: async () => {
        events.push('search');
        return false;
      },
    },
    limiter: createAccountLimiter(),
    holds: {
      admit: async () => {
        events.push('admit');
        return { to: 'proceed', isProbe: false };
      },
      invalidate: () => void events.push('invalidate'),
    },
    accept: async () => [],
    handleFailure: async (_job, _startedAt, error) => ({
      action: 'fail',
      failure: (error as FailureError).failure,
    }),
    clock: { now: () => NOW },
    log: { warn: () => undefined },
    ...changes,
  };
  const attempt: AttemptHandler = async (job, signal) => {
    events.push('attempt');
    return await (changes.attempt?.(job, signal) ?? ARCHIVED);
  };
  const middleware = createJobMiddleware(deps);
  const handler = composeMiddleware(middleware, attempt);
  return {
    events,
    middleware,
    run: (job: Partial<ArchiveJob> = {}, signal = never) => handler({ ...JOB, ...job }, signal),
  };
}

describe('the job middleware', () => {
  it('has this order', () => {
    assert.deepEqual(
      setup().middleware.map(({ name }) => name),
      [
        'dispatcher',
        'catalogue-outage',
        'store-hold',
        'already-stored',
        'known-account',
        'account-limiter',
        'catalogue-check',
        'account-hold',
      ],
    );
  });

  it('runs from the outside in, and the attempt last', async () => {
    const passed: string[] = [];
    const handler = composeMiddleware(
      ['a', 'b'].map((name) => ({
        name,
        run: async (job, signal, next) => {
          passed.push(name);
          return await next(job, signal);
        },
      })),
      async () => {
        passed.push('attempt');
        return ARCHIVED;
      },
    );
    assert.deepEqual(await handler(JOB, never), ARCHIVED);
    assert.deepEqual(passed, ['a', 'b', 'attempt']);
    const whole = setup();
    await whole.run();
    assert.deepEqual(whole.events, ['search', 'admit', 'attempt', 'finished']);
  });

  it('tells the dispatcher of every job that ends, also of one that throws', async () => {
    const { run, events } = setup({ attempt: () => Promise.reject(new TypeError('a bug')) });
    await assert.rejects(run(), TypeError);
    assert.equal(events.at(-1), 'finished');
  });

  it('requeues a job that the store hold cannot give back while the catalogue is unavailable', async () => {
    const { run, events } = setup({ storeHold: { runUnlessHeld: unavailable } });
    assert.deepEqual(await run(), OUTAGE);
    assert.deepEqual(events, ['finished']);
  });

  it('searches, admits and attempts nothing while the store is held', async () => {
    const { run, events } = setup({
      storeHold: { runUnlessHeld: async () => ({ action: 'finish', result: 'later' }) },
    });
    assert.deepEqual(await run(), { action: 'finish', result: 'later' });
    assert.deepEqual(events, ['finished']);
  });

  it('attempts nothing that an earlier attempt has stored, and needs no account for that', async () => {
    const { run, events } = setup({
      accounts: createAccounts([]),
      storedObjects: { adopt: async () => true },
    });
    assert.deepEqual(await run(), { action: 'finish', result: 'found' });
    assert.deepEqual(events, ['finished']);
  });

  it('searches before every attempt but the first', async () => {
    const searches = async (job: Partial<ArchiveJob>) => {
      const { run, events } = setup();
      await run(job);
      return events.includes('search');
    };
    assert.equal(await searches({ generation: undefined }), false);
    assert.equal(await searches({ generation: 1 }), false);
    assert.equal(await searches({ generation: 2 }), true);
    assert.equal(await searches({ generation: 1, attempt: 2 }), true);
    assert.equal(await searches({ generation: 1, wasStalled: true }), true);
  });

  it('attempts an item all the same where the search fails', async () => {
    const { run } = setup({
      storedObjects: { adopt: () => Promise.reject(failure('store_unavailable')) },
    });
    assert.deepEqual(await run(), ARCHIVED);
  });

  it('ends a job of an unknown account before it takes a place or a probe', async () => {
    const limiter = { acquire: () => assert.fail('no place is needed') };
    const { run, events } = setup({ accounts: createAccounts([]), limiter });
    for (const generation of [1, undefined]) {
      const result = await run({ generation });
      assert.equal(result.action === 'fail' && result.failure.code, 'account_unknown');
    }
    assert.deepEqual(events, ['finished', 'finished']);
  });

  it('gives a foreign job its row without taking a place', async () => {
    const limiter = { acquire: () => assert.fail('no place is needed') };
    const { run, events } = setup({ limiter });
    assert.deepEqual(await run({ generation: undefined }), { action: 'finish', result: 'accepted' });
    assert.deepEqual(events, ['finished']);
  });

  it('takes no probe for a job that its account has no place for', async () => {
    const { run, events } = setup({ limiter: { acquire: async () => undefined } });
    assert.deepEqual(await run(), { action: 'requeue', delayMs: 500 });
    assert.ok(!events.includes('admit'));
  });

  it('knows of an outage before it releases the place to the next job', async () => {
    const begun = Promise.withResolvers<void>();
    const write = Promise.withResolvers<never>();
    let attempts = 0;
    const { run } = setup({
      catalogue: { media: { get: async () => undefined }, ping: unavailable },
      attempt: () => {
        attempts++;
        begun.resolve();
        return write.promise;
      },
    });
    const first = run();
    await begun.promise;
    const second = run();
    write.reject(new DatabaseUnavailableError('unavailable'));
    assert.deepEqual(await Promise.all([first, second]), [OUTAGE, OUTAGE]);
    assert.equal(attempts, 1);
  });

  it('reads the holds again after the attempt of a probe', async () => {
    const probe = { admit: async () => ({ to: 'proceed', isProbe: true }) as const };
    const events: string[] = [];
    const holds = { ...probe, invalidate: () => void events.push('invalidate') };
    await setup({ holds }).run();
    assert.deepEqual(events, ['invalidate']);
  });

  it('leaves an aborted job to the consumer', async () => {
    const controller = new AbortController();
    const { run } = setup({
      attempt: async () => {
        controller.abort();
        throw new DatabaseUnavailableError('unavailable');
      },
    });
    await assert.rejects(run({}, controller.signal), DatabaseUnavailableError);
  });
});
