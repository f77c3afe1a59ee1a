/**
 * Opens the app context that the configuration describes. The parts are opened in order and closed in reverse order.
 */
import { type Account, type Accounts, createAccounts } from '../account.ts';
import { type Catalogue, createCatalogue } from '../catalogue/catalogue.ts';
import { createDatabase, type Database } from '../catalogue/database/database.ts';
import { migrate } from '../catalogue/database/migrate.ts';
import { explainUnavailable } from '../catalogue/database/other-protocol.ts';
import { requireUsableDatabase } from '../catalogue/database/requirements.ts';
import { requireRights } from '../catalogue/database/rights.ts';
import type { Config } from '../config/config.ts';
import { configSecrets } from '../config/values/secrets.ts';
import { readVersion } from '../config/version.ts';
import type { FactGatherer } from '../pipeline/checks/gather.ts';
import { createStoreHealth } from '../pipeline/dispatch/store-health.ts';
import { createStoreProbe } from '../pipeline/dispatch/store-probe.ts';
import { createEventJson } from '../pipeline/events/event-json.ts';
import { createEventFeed, type EventFeed } from '../pipeline/events/feed.ts';
import { type AcceptReferences, createInsertBatcher } from '../pipeline/ingest/insert-batcher.ts';
import { createClockWatch } from '../pipeline/maintenance/clock-watch.ts';
import type { ArchiveQueue } from '../queue/queue.ts';
import { openArchiveQueue } from '../queue/queue.ts';
import { createLifetimes, type Lifetimes, systemClock } from '../runtime/clock.ts';
import { type ByteBudget, createByteBudget } from '../runtime/concurrency/byte-budget.ts';
import { createHealth, type Health } from '../runtime/health.ts';
import { createLog, type Log } from '../runtime/log.ts';
import { createMetrics, exposeOnlyMetricsOf, type Metrics } from '../runtime/metrics.ts';
import { createSharedClock, type SharedClock } from '../runtime/shared-clock.ts';
import { createShutdown, type Shutdown } from '../runtime/shutdown.ts';
import { openTracing } from '../runtime/tracing/open-tracing.ts';
import type { Tracer } from '../runtime/tracing/tracer.ts';
import type { Store } from '../storage/store.ts';
import { type Alerts, createAlerts } from './alerts.ts';
import { createProgramFacts, processName } from './checks.ts';
import { lockDataFolder, openPools } from './database-pools.ts';
import { openDatabase, type WhenUnavailable } from './database-start.ts';
import { claimQueue } from './queue-owner.ts';
import { openStore } from './store.ts';
import { openWebhooks, type Webhooks } from './webhooks/parts.ts';

/** The parts that every program uses. */
export interface AppContext {
  readonly config: Config;
  readonly accounts: Accounts;
  readonly clock: SharedClock;
  readonly lifetimes: Lifetimes;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly database: Database;
  readonly catalogue: Catalogue;
  readonly queue: ArchiveQueue;
  readonly store: Store;
  readonly accept: AcceptReferences;
  /** The memory of this process for the bytes of media items: for archiving and for previews together. */
  readonly budget: ByteBudget;
  /** Wakes the dispatcher of this process when rows have become due. */
  readonly due: { notify(): void; subscribe(wake: () => void): void };
  /** The conditions of this process. */
  readonly health: Health;
  /** all, server, worker or sweep. */
  readonly program: string;
  /** `host (program, pid)`. */
  readonly process: string;
  /** Reads the facts from which the list of checks is computed. */
  readonly gather: FactGatherer;
  readonly alerts: Alerts;
  /** Reads what events are about, for the feed and for webhooks. */
  readonly eventJson: ReturnType<typeof createEventJson>;
  readonly feed: EventFeed;
  readonly webhooks: Webhooks;
  /** Does nothing without OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly tracer: Tracer;
  readonly shutdown: Shutdown;
}

export interface OpenOptions {
  program: string;
  /** Secrets besides those of the configuration, which are also removed from every log line. */
  secrets?: readonly string[];
  /** What to do if a real database does not respond at the start. Default: fail. */
  whenUnavailable?: WhenUnavailable;
  /** Replaces the configured accounts if WeChat is simulated. */
  simulatedAccounts?: readonly Account[];
  /** Called before the database is opened, when DATA_DIR is locked if a part is embedded. */
  beforeOpening?: (shutdown: Shutdown) => Promise<void>;
  /** Default: JSON lines on stderr. */
  writeLog?: (line: string) => void;
}

/** Opens all parts. On an error, closes the parts that are already open and rethrows. */
export async function openAppContext(config: Config, options: OpenOptions): Promise<AppContext> {
  const all = options.simulatedAccounts ?? config.accounts;
  const instance = processName(options.program);
  const tracing = await openTracing(config.traces, {
    program: options.program,
    version: readVersion(),
    instance,
  });
  const { tracer } = tracing;
  const log = createLog({
    level: config.log.level,
    format: config.log.format,
    program: options.program,
    secrets: [
      ...configSecrets(config),
      ...(options.simulatedAccounts ?? []).map((account) => account.secret),
    ],
    ...(tracer.isOn ? { fields: tracer.logFields } : {}),
    ...(options.writeLog ? { write: options.writeLog } : {}),
  });
  for (const warning of config.warnings) log.warn(`configuration: ${warning}`);
  const shutdown = createShutdown(log);
  try {
    const clock = createSharedClock();
    const lifetimes = createLifetimes(config.lifetimes);
    const accounts = createAccounts(all);
    const budget = createByteBudget(config.work.byteBudgetBytes);
    const metrics = createMetrics({ budget });
    metrics.buildInfo.set({ version: readVersion(), program: options.program }, 1);
    exposeOnlyMetricsOf(options.program, metrics);
    tracing.report({ log, metrics, shutdown });
    await lockDataFolder(config, shutdown);
    await options.beforeOpening?.(shutdown);
    const pools = await openPools(config, { log, metrics, shutdown });
    const { schema } = config.database;
    const { database, isUnavailable } = await openDatabase(createDatabase(pools.catalogue), {
      whenUnavailable: config.shape.database === 'postgres' ? (options.whenUnavailable ?? 'fail') : 'fail',
      prepare: async (bare) => {
        const warnings = await requireUsableDatabase(bare).catch((error) =>
          explainUnavailable(error, config.database.url),
        );
        for (const warning of warnings) log.warn(warning);
        await requireRights(bare, schema, config.shape.queue === 'redis' ? [] : [config.queue.schema]);
        for (const name of await migrate(bare, schema, clock.now()))
          log.info({ migration: name }, 'schema: migrated');
        const { accounts: states, timestamps } = createCatalogue(bare, schema, lifetimes);
        await states.ensure(all.map((account) => account.account));
        await clock.compare(timestamps.now);
      },
      log,
      signal: shutdown.signal,
    });
    const catalogue = createCatalogue(database, schema, lifetimes);
    const queue = await openArchiveQueue(pools.queue, {
      log,
      signal: shutdown.signal,
      ...(isUnavailable ? { unavailable: { metrics } } : {}),
    });
    shutdown.step('queue', () => queue.close());
    // Requests are signed with the machine's own clock. If it is wrong, the store's error shows by how much.
    const store = await openStore(config, { clock: systemClock, log, shutdown, tracer });
    const health = createHealth(clock.now);
    await claimQueue({ queue, catalogue, health, log, metrics, signal: shutdown.signal });
    const storeHealth = createStoreHealth({ store, probe: createStoreProbe(store, config.objects.prefix) });
    const gather = createProgramFacts(
      { config, catalogue, queue, storeHealth, accounts, health, clock, lifetimes, log, metrics },
      options.program,
    );
    const alerts = createAlerts(
      { config, catalogue, gather, accounts, clock, lifetimes, metrics, log, shutdown },
      options.program,
    );
    const watching = createClockWatch({ clock, catalogue, log, metrics }).run(shutdown.signal);
    shutdown.step('clock', () => watching);
    const eventJson = createEventJson({ catalogue, accounts, clock });
    const feed = createEventFeed({ catalogue, eventJson, clock, metrics, log });
    const feeding = feed.run(shutdown.signal);
    shutdown.step('events', () => feeding);
    const due = createDue();
    const accept = createInsertBatcher({ catalogue, clock, metrics, onAccepted: due.notify });
    return {
      config,
      accounts,
      clock,
      lifetimes,
      log,
      metrics,
      database,
      catalogue,
      queue,
      store,
      accept,
      budget,
      due,
      health,
      program: options.program,
      process: instance,
      gather,
      alerts,
      eventJson,
      feed,
      webhooks: openWebhooks({ config, accounts, clock, shutdown }),
      tracer,
      shutdown,
    };
  } catch (error) {
    await shutdown.run('could not start');
    throw error;
  }
}

function createDue(): AppContext['due'] {
  const listeners: (() => void)[] = [];
  return {
    notify: () => {
      for (const wake of listeners) wake();
    },
    subscribe: (wake) => {
      listeners.push(wake);
    },
  };
}
