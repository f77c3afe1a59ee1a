/** No background loop is silent about errors: twenty in a row are counted and logged. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createAlertWatch } from '../../src/pipeline/alerts/watch.ts';
import { createConcurrencyShares } from '../../src/pipeline/dispatch/concurrency-share.ts';
import { openConsumerWatchdog } from '../../src/pipeline/dispatch/consumer-watchdog.ts';
import { createDispatcher } from '../../src/pipeline/dispatch/dispatcher.ts';
import { createStoreHold } from '../../src/pipeline/dispatch/store-hold.ts';
import { createDatabaseAvailability } from '../../src/pipeline/ingest/database-availability.ts';
import { createKfSyncer } from '../../src/pipeline/ingest/kf-sync.ts';
import { createClockWatch } from '../../src/pipeline/maintenance/clock-watch.ts';
import { createEraserLoop } from '../../src/pipeline/maintenance/eraser-loop.ts';
import { createHistoryMerge } from '../../src/pipeline/maintenance/history-merge.ts';
import { createRecounter } from '../../src/pipeline/maintenance/recount.ts';
import { createRedriver } from '../../src/pipeline/maintenance/redriver.ts';
import { createSweeper } from '../../src/pipeline/maintenance/sweeper.ts';
import { createVerifier } from '../../src/pipeline/verify/verifier.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { createRecordingLog } from './recording-log.ts';

const ERRORS = 20;

/** What every loop gets. Each property of a stub that is not listed here fails the test by its absence. */
interface LoopDeps {
  readonly clock: { now(): Date; sleep(): Promise<void> };
  readonly log: ReturnType<typeof createRecordingLog>['log'];
  readonly metrics: ReturnType<typeof createMetrics>;
  /** Throws an error no loop expects. */
  readonly fail: () => Promise<never>;
}

interface Runnable {
  run(signal: AbortSignal): Promise<void>;
}

/** The loops by the name of their metric's label, each with a dependency that fails at once. */
const LOOPS: Record<string, (deps: LoopDeps) => Runnable | Promise<Runnable>> = {
  dispatcher: ({ fail, ...deps }) =>
    createDispatcher(
      {
        ...deps,
        catalogue: { queue: { promote: fail, claim: fail, requeue: fail } },
        queue: { add: fail },
        accounts: { all: [] },
        health: { setUnhealthy: () => undefined, setHealthy: () => undefined },
      },
      { min: 1, max: 10, retryMs: 1 },
    ),
  'store-hold': ({ fail, ...deps }) =>
    createStoreHold({
      ...deps,
      catalogue: { storeHold: { read: fail } as never },
      probe: fail,
      lifetimes: { scale: (ms) => ms },
      onReleased: () => undefined,
    }),
  heartbeat: ({ fail, ...deps }) =>
    createConcurrencyShares(
      {
        ...deps,
        catalogue: { processes: { heartbeat: fail, markLeft: async () => undefined } },
        health: { list: () => [], refresh: fail },
      },
      { name: 'host (worker, 1)', program: 'worker', version: '1.2.3', isWorker: true, inHand: () => 0 },
    ),
  'consumer-watchdog': ({ fail, ...deps }) =>
    openConsumerWatchdog(
      {
        ...deps,
        queue: {
          firstWaiting: fail,
          consume: async () => ({ close: async () => undefined }),
        },
        health: { setUnhealthy: () => undefined, setHealthy: () => undefined },
      },
      fail,
      { consume: { concurrency: 1 }, graceMs: 0 },
    ),
  'kf-sync': ({ fail, ...deps }) =>
    createKfSyncer({
      ...deps,
      catalogue: { kfCursors: { claim: fail } as never },
      kfSync: {} as never,
      accounts: { all: [], find: () => undefined },
      holds: { hold: fail, reportCallSucceeded: fail },
      lifetimes: { scale: (ms) => ms },
      random: () => 0,
      onAccepted: () => undefined,
      rereadAccounts: () => undefined,
    }),
  'database-availability': ({ fail, ...deps }) =>
    createDatabaseAvailability({ ...deps, catalogue: { ping: fail }, replay: fail }, { retryMs: 1 }),
  sweeper: ({ fail, ...deps }) =>
    createSweeper({
      ...deps,
      catalogue: {
        leases: { take: async () => true, drop: async () => undefined },
        queue: { listClaimedBefore: fail },
        outcomes: { listExpiring: async () => [] },
        uploads: { listOpen: async () => [] },
      } as never,
      queue: { lost: fail, misplaced: fail },
      store: { bucket: 'media', abortMultipart: fail },
      stored: { adopt: fail },
      lifetimes: { closingMs: 1 },
      windowRows: 1,
      onFreed: () => undefined,
    }),
  recount: ({ fail, ...deps }) =>
    createRecounter({
      ...deps,
      catalogue: {
        leases: { take: async () => true, drop: async () => undefined },
        stats: { recount: fail },
      },
    }),
  'history-merge': ({ fail, ...deps }) =>
    createHistoryMerge({ ...deps, catalogue: { history: { merge: fail } } }),
  redriver: ({ fail, ...deps }) =>
    createRedriver({
      ...deps,
      catalogue: {
        leases: { take: async () => true, drop: async () => undefined },
        redrives: {
          listRunning: async () => [{ id: 'r_1', nextPageAt: new Date(0) }] as never,
          runPage: fail,
        },
      },
      onRedriven: () => undefined,
    }),
  eraser: ({ fail, ...deps }) => createEraserLoop({ ...deps, eraser: { sweep: fail } }),
  'clock-watch': ({ fail, ...deps }) =>
    createClockWatch({
      ...deps,
      clock: { ...deps.clock, skewMs: undefined, isCertain: true, compare: fail },
      catalogue: { timestamps: { now: fail, correct: fail } },
    }),
  verifier: ({ fail, ...deps }) =>
    createVerifier({
      ...deps,
      catalogue: {
        leases: { take: async () => true, drop: async () => undefined },
        verifications: {
          getNext: async () => ({ id: 'v_1', kind: 'adopt', options: {}, state: 'waiting', by: 'a key' }),
          start: fail,
          saveProblem: async () => undefined,
        },
      } as never,
      store: {} as never,
      prefix: '',
    }),
  alerts: ({ fail, ...deps }) =>
    createAlertWatch(
      {
        ...deps,
        catalogue: { leases: { take: fail, drop: async () => undefined }, alerts: {} } as never,
        gather: {
          catalogue: fail,
          queue: fail,
          store: fail,
          process: async () => ({ now: deps.clock.now(), process: 'host (server, 1)', conditions: [] }),
        },
        sender: { send: fail },
        naming: { nameOf: (account) => account, publicUrl: undefined },
        lifetimes: { scale: (ms) => ms },
      },
      { alertsOnCatalogue: true },
    ),
};

describe('a background loop logs and counts twenty unexpected errors in a row', () => {
  for (const [name, open] of Object.entries(LOOPS)) {
    test(`in ${name}`, { timeout: 30_000 }, async () => {
      const { log, lines } = createRecordingLog();
      const metrics = createMetrics();
      const stop = new AbortController();
      let calls = 0;
      const fail = async (): Promise<never> => {
        if (++calls > ERRORS) stop.abort();
        throw new TypeError('cannot read properties of undefined');
      };
      const clock = {
        now: () => new Date(),
        sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
      };
      const loop = await open({ clock, log, metrics, fail });
      await loop.run(stop.signal);
      const { values } = await metrics.backgroundErrors.get();
      assert.deepEqual(
        values.map(({ labels, value }) => [labels.loop, value]),
        [[name, ERRORS]],
      );
      const [first] = lines.filter(({ message }) => message === `${name}: failed, retrying`);
      assert.equal(first?.level, 'warn');
      assert.ok(first?.fields.err instanceof Error);
    });
  }
});
