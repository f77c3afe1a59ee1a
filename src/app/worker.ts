/** The working part of a program: dispatcher, heartbeat, consumer and, where wanted, the sweeper. */
import { dueChannelOf } from '../catalogue/media/insert.ts';
import { rereadAccounts } from '../config/config.ts';
import { readVersion } from '../config/version.ts';
import { failure } from '../failures.ts';
import { createArchiver } from '../pipeline/archive/archive.ts';
import { createArchivedLog } from '../pipeline/archive/archived-log.ts';
import { traceAttempts, traceFailures } from '../pipeline/archive/attempt-spans.ts';
import { createStoredObjects, type StoredObjects } from '../pipeline/archive/find-stored.ts';
import { createFailureHandler } from '../pipeline/archive/handle-failure.ts';
import { composeMiddleware, createJobMiddleware } from '../pipeline/archive/job-middleware.ts';
import { createQuotaLoop, createReadQuota } from '../pipeline/archive/remaining-quota.ts';
import { createAccountHolds, pictureWindowMs } from '../pipeline/dispatch/account-hold.ts';
import { createAccountLimiter } from '../pipeline/dispatch/account-limiter.ts';
import { checkAccountTokens, type TokenCheck } from '../pipeline/dispatch/check-account-tokens.ts';
import { type ConcurrencyShares, createConcurrencyShares } from '../pipeline/dispatch/concurrency-share.ts';
import { type ConsumerWatchdog, openConsumerWatchdog } from '../pipeline/dispatch/consumer-watchdog.ts';
import { createDispatcher, type Dispatcher } from '../pipeline/dispatch/dispatcher.ts';
import { createStoreHold, type StoreHold } from '../pipeline/dispatch/store-hold.ts';
import { createStoreProbe } from '../pipeline/dispatch/store-probe.ts';
import { createEventUpkeep } from '../pipeline/events/upkeep.ts';
import { createKfSyncer } from '../pipeline/ingest/kf-sync.ts';
import { createEraser } from '../pipeline/maintenance/eraser.ts';
import { createEraserLoop } from '../pipeline/maintenance/eraser-loop.ts';
import { createHistoryMerge } from '../pipeline/maintenance/history-merge.ts';
import { createRecounter } from '../pipeline/maintenance/recount.ts';
import { createRedriver } from '../pipeline/maintenance/redriver.ts';
import { createSweeper, type SweepOptions } from '../pipeline/maintenance/sweeper.ts';
import { createVerifier, type VerifyOptions } from '../pipeline/verify/verifier.ts';
import type { ConsumeOptions } from '../queue/consumer.ts';
import { systemClock } from '../runtime/clock.ts';
import { createKfSync } from '../wechat/customer-service/sync-messages.ts';
import { createQuotaReader } from '../wechat/media/quota.ts';
import type { AppContext } from './app-context.ts';
import { openWechatClients, type WechatAddresses } from './wechat-clients.ts';

/** Rows of an account that may be in the queue before anything is known of how fast they leave it. */
const MIN_WINDOW = 16;
const PICTURE_RETRY_MS = 5 * 60_000;

/** Runs a loop until shutdown, which waits for its last turn. */
function runInBackground(
  { shutdown }: Pick<AppContext, 'shutdown'>,
  name: string,
  loop: { run(signal: AbortSignal): Promise<void> },
): void {
  const running = loop.run(shutdown.signal);
  shutdown.step(name, () => running);
}

/** Rereads secrets that an operator may have corrected. Where they cannot be read, those in use stay. */
/** Reads the accounts and their secrets again. If that fails, the previous ones stay in use. */
export function renewAccounts({
  config,
  accounts,
  log,
}: Pick<AppContext, 'config' | 'accounts' | 'log'>): void {
  try {
    accounts.renew(rereadAccounts(config));
  } catch (error) {
    log.warn({ err: error }, 'accounts: not reread, the previous ones stay in use');
  }
}

/** Every process dispatches, so that the row of a callback is in the queue a moment after it is on disk. */
export function startDispatcher(context: AppContext): Dispatcher {
  const { config, log, database, shutdown, due } = context;
  const dispatcher = createDispatcher(context, {
    min: MIN_WINDOW,
    max: config.queue.windowSize,
    pictureWindowMs: pictureWindowMs(context.lifetimes),
  });
  due.subscribe(() => dispatcher.notify());
  if (config.shape.database === 'postgres') {
    database
      .listen(dueChannelOf(config.database.schema), () => dispatcher.notify(), shutdown.signal)
      .catch((error) =>
        log.warn({ err: error }, 'dispatcher: no notifications, polling four times a second'),
      );
  }
  runInBackground(context, 'dispatcher', dispatcher);
  return dispatcher;
}

/** Every process sends a heartbeat with what it reports of itself; see pipeline/checks. */
export function startHeartbeat(
  context: AppContext,
  options: { isWorker: boolean; inHand?: () => number },
): ConcurrencyShares {
  // With the machine's own clock, not the one that follows the database's: the heartbeat measures how far it is off.
  const shares = createConcurrencyShares(
    { ...context, clock: systemClock },
    { name: context.process, program: context.program, version: readVersion(), inHand: () => 0, ...options },
  );
  runInBackground(context, 'heartbeat', shares);
  return shares;
}

function startStoreHold(context: AppContext, dispatcher: Dispatcher): StoreHold {
  const { config, store, health } = context;
  const storeHold = createStoreHold({
    ...context,
    probe: createStoreProbe(store, config.objects.prefix),
    onReleased: () => dispatcher.notify(),
    onClockSkew: (why) => {
      if (!why) return health.setHealthy('store_clock_skewed');
      health.setUnhealthy('store_clock_skewed', { detail: { words: why.detail ?? why.code } });
    },
  });
  runInBackground(context, 'store hold', storeHold);
  return storeHold;
}

function createStoredObjectsOf({ config, store, catalogue, clock, log }: AppContext): StoredObjects {
  return createStoredObjects({ store, catalogue, clock, log, prefix: config.objects.prefix });
}

export interface RunningConsumer {
  /**
   * Gets a token for each account that has none, in the background. An account that is refused as a whole is held, as
   * if one of its items had met the refusal: so its reason shows before the first item comes. Resolves when all accounts
   * are checked; never rejects.
   */
  checkTokens(onChecked?: (check: TokenCheck) => void): Promise<void>;
}

/** `timing`: how soon the queue notices a dead worker; default: BullMQ's half a minute. */
export async function startConsumer(
  context: AppContext,
  addresses: WechatAddresses,
  dispatcher: Dispatcher,
  timing: Omit<ConsumeOptions, 'concurrency'> = {},
): Promise<RunningConsumer> {
  const { config, catalogue, accounts, clock, lifetimes, log, shutdown, tracer } = context;
  const { work } = config;
  const { api, tokens, downloader } = openWechatClients(context, addresses);
  const renew = () => renewAccounts(context);
  const holds = createAccountHolds({ catalogue, clock, lifetimes, log, rereadAccounts: renew });
  if (accounts.all.some(({ product }) => product === 'wecom')) {
    const syncer = createKfSyncer({
      ...context,
      kfSync: createKfSync({ api, tokens }),
      holds,
      random: Math.random,
      onAccepted: context.due.notify,
      rereadAccounts: renew,
    });
    runInBackground(context, 'customer service', syncer);
  }
  const readQuota = createReadQuota({ ...context, quotaOf: createQuotaReader({ api, tokens }) });
  runInBackground(context, 'quota', createQuotaLoop({ ...context, readQuota }));
  const storeHold = startStoreHold(context, dispatcher);
  let watchdog: ConsumerWatchdog | undefined;
  const shares = startHeartbeat(context, { isWorker: true, inHand: () => watchdog?.running ?? 0 });
  const storedObjects = createStoredObjectsOf(context);
  const handleFailure = createFailureHandler({
    ...context,
    holds,
    storeHold,
    stored: storedObjects,
    readQuota,
    random: Math.random,
  });
  const archivedLog = createArchivedLog(log);
  shutdown.step('archived log', async () => archivedLog.close());
  const attempt = createArchiver({
    ...context,
    archivedLog,
    tokens,
    downloader,
    handleFailure: traceFailures(tracer, handleFailure),
    prefix: config.objects.prefix,
    lifetimeMs: lifetimes.lifetimeMs,
    pictureRetryMs: lifetimes.scale(PICTURE_RETRY_MS),
  });
  const limiter = createAccountLimiter(shares.shareOf);
  const middleware = createJobMiddleware({
    ...context,
    dispatcher,
    storeHold,
    storedObjects,
    limiter,
    holds,
    handleFailure,
  });
  const onInvalidJob: ConsumeOptions['onInvalidJob'] = async (row, reason) => {
    await handleFailure(row, clock.now(), failure('internal', `its job could not be read: ${reason}`));
  };
  watchdog = await openConsumerWatchdog(
    context,
    composeMiddleware(middleware, traceAttempts(tracer, attempt)),
    {
      consume: { ...timing, concurrency: work.concurrency, onInvalidJob },
      graceMs: work.shutdownGraceMs,
    },
  );
  runInBackground(context, 'consumer watchdog', watchdog);
  shutdown.step('consumer', () => watchdog.close(work.shutdownGraceMs), work.shutdownGraceMs + 10_000);
  return {
    checkTokens: (onChecked) => {
      const checking = checkAccountTokens({ ...context, tokens, holds }, shutdown.signal, onChecked);
      shutdown.step('token check', () => checking);
      return checking;
    },
  };
}

export function startSweeper(
  context: AppContext,
  dispatcher?: Dispatcher,
  timing: SweepOptions & VerifyOptions = {},
): void {
  const { config, lifetimes, accounts } = context;
  const notify = () => dispatcher?.notify();
  const sweeper = createSweeper(
    {
      ...context,
      stored: createStoredObjectsOf(context),
      windowRows: config.queue.windowSize * Math.max(1, accounts.all.length),
      onFreed: notify,
    },
    timing,
  );
  runInBackground(context, 'sweeper', sweeper);
  runInBackground(context, 'redrives', createRedriver({ ...context, onRedriven: notify }));
  runInBackground(context, 'recount', createRecounter(context));
  runInBackground(context, 'history', createHistoryMerge(context));
  const eventRetentionMs = lifetimes.scale(config.eventRetentionMs);
  runInBackground(context, 'event upkeep', createEventUpkeep(context, { retentionMs: eventRetentionMs }));
  const verifier = createVerifier({ ...context, prefix: config.objects.prefix }, timing);
  runInBackground(context, 'verifier', verifier);
  // A loop of its own: a store that is slow to delete must not keep lost jobs from being freed.
  const { retentionMs } = config;
  const eraser = createEraser(context, {
    ...timing,
    retentionMs: retentionMs === undefined ? undefined : lifetimes.scale(retentionMs),
  });
  runInBackground(context, 'eraser', createEraserLoop({ ...context, eraser }, timing));
}
