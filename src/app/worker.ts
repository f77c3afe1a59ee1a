/** The working part of a program: feeder, consumer and, where wanted, the sweeper. */
import { randomUUID } from 'node:crypto';
import { dueChannelOf } from '../catalogue/media/insert.ts';
import { rereadAccounts } from '../config/config.ts';
import { failure } from '../failures.ts';
import { createArchiver } from '../pipeline/archive/archive.ts';
import { createStoredObjects, recogniseStored } from '../pipeline/archive/find-stored.ts';
import { createFailureHandler } from '../pipeline/archive/handle-failure.ts';
import { createQuotaRefresh, watchQuotas } from '../pipeline/archive/remaining-quota.ts';
import { createAccountHolds, pictureWindowMs } from '../pipeline/dispatch/account-hold.ts';
import { createAccountLimiter } from '../pipeline/dispatch/account-limiter.ts';
import { checkAccountTokens } from '../pipeline/dispatch/check-account-tokens.ts';
import { type ConcurrencyShares, createConcurrencyShares } from '../pipeline/dispatch/concurrency-share.ts';
import { openConsumerWatchdog } from '../pipeline/dispatch/consumer-watchdog.ts';
import { createDispatcher, type Dispatcher } from '../pipeline/dispatch/dispatcher.ts';
import { createStoreHold } from '../pipeline/dispatch/store-hold.ts';
import { createStoreProbe } from '../pipeline/dispatch/store-probe.ts';
import { createKfSyncer } from '../pipeline/ingest/kf-sync.ts';
import { createEraser } from '../pipeline/maintenance/eraser.ts';
import { createEraserLoop } from '../pipeline/maintenance/eraser-loop.ts';
import { createRecounter } from '../pipeline/maintenance/recount.ts';
import { createRedriver } from '../pipeline/maintenance/redriver.ts';
import { createSweeper, type SweepOptions } from '../pipeline/maintenance/sweeper.ts';
import type { VerifyOptions } from '../pipeline/verify/verifier.ts';
import type { ConsumeOptions } from '../queue/consumer.ts';
import { systemClock } from '../runtime/clock.ts';
import { createByteBudget } from '../runtime/concurrency/byte-budget.ts';
import { secureContextOf } from '../runtime/network/tls-context.ts';
import { createWechatApi } from '../wechat/api/client.ts';
import { createKfSync } from '../wechat/customer-service/sync-messages.ts';
import { createDownloader } from '../wechat/media/download.ts';
import { createQuotaReader } from '../wechat/media/quota.ts';
import { createTokens } from '../wechat/tokens/tokens.ts';
import type { AppContext } from './app-context.ts';
import { startVerifier } from './verifier.ts';

/** Where WeChat answers; the simulator's addresses stand for the configured ones. */
export interface WechatAddresses {
  readonly apiBaseUrl: string;
  readonly wecomBaseUrl: string;
  readonly videoBaseUrl: string | undefined;
  readonly proxyUrl: string | undefined;
  readonly allowHosts: AppContext['config']['fetch']['allowHosts'];
}

/** Rows of an account that may stand in the queue before anything is known of how fast they leave it. */
const MIN_WINDOW = 16;

const PICTURE_RETRY_MS = 5 * 60_000;

/** Secrets that somebody may have corrected. What cannot be read leaves those in use as they are. */
function renewAccounts({ config, accounts, log }: AppContext): void {
  try {
    accounts.renew(rereadAccounts(config));
  } catch (error) {
    log.warn({ err: error }, 'the accounts cannot be read again; those read before are used');
  }
}

/** Every process feeds: a callback's row is in the queue a moment after it is on disk. */
export function startDispatcher(context: AppContext): Dispatcher {
  const { config, catalogue, queue, accounts, clock, log, metrics, database, shutdown, health, due } =
    context;
  const dispatcher = createDispatcher(
    { catalogue, queue, accounts, clock, log, metrics, health },
    {
      min: MIN_WINDOW,
      max: config.queue.windowSize,
      pictureWindowMs: pictureWindowMs(context.lifetimes),
    },
  );
  due.subscribe(() => dispatcher.notify());
  if (config.shape.database === 'postgres') {
    database
      .listen(dueChannelOf(config.database.schema), () => dispatcher.notify(), shutdown.signal)
      .catch((error) => log.warn({ err: error }, 'no notifications; the feeder looks four times a second'));
  }
  const running = dispatcher.run(shutdown.signal);
  shutdown.step('feeder', () => running);
  return dispatcher;
}

/** Every process says that it lives, and what it reports of itself; see pipeline/checks. */
export function startHeartbeat(context: AppContext, options: { isWorker: boolean }): ConcurrencyShares {
  const { shutdown } = context;
  // Its own clock, and not the one that follows the database's: how far it is off is what the heartbeat tells.
  const shares = createConcurrencyShares(
    { ...context, clock: systemClock },
    { name: context.process, ...options },
  );
  const beating = shares.run(shutdown.signal);
  shutdown.step('heartbeat', () => beating);
  return shares;
}

export interface RunningConsumer {
  /**
   * Asks for a token of each account, where none is at hand. An account that is refused as a whole is held, as if one
   * of its items had met it: so its reason shows before the first item comes. In the background.
   */
  checkTokens(): void;
}

/** `timing`: how soon the queue notices a worker that is gone; BullMQ's own half a minute unless told. */
export async function startConsumer(
  context: AppContext,
  wechat: WechatAddresses,
  dispatcher: Dispatcher,
  timing: Omit<ConsumeOptions, 'concurrency'> = {},
): Promise<RunningConsumer> {
  const { config, catalogue, queue, accounts, clock, lifetimes, log, metrics, store, accept, shutdown } =
    context;
  const { fetch, work } = config;
  const secureContext = secureContextOf(config.authorities.wechat);
  const api = createWechatApi({
    baseUrl: wechat.apiBaseUrl,
    wecomBaseUrl: wechat.wecomBaseUrl,
    proxyUrl: wechat.proxyUrl,
    secureContext,
  });
  shutdown.step('WeChat calls', () => api.close());
  const tokens = createTokens({
    api,
    store: catalogue.accounts.tokens,
    secrets: catalogue.encryptedSecrets,
    clock,
    lifetimes,
    log,
  });
  shutdown.step('tokens', () => tokens.close());
  const downloader = createDownloader({
    baseUrl: wechat.apiBaseUrl,
    wecomBaseUrl: wechat.wecomBaseUrl,
    videoBaseUrl: wechat.videoBaseUrl,
    ...(wechat.proxyUrl ? { proxyUrl: wechat.proxyUrl } : {}),
    secureContext,
    allowHosts: wechat.allowHosts.map(({ host, port }) => (port ? `${host}:${port}` : host)),
    idleTimeoutMs: fetch.idleTimeoutMs,
    totalTimeoutMs: fetch.totalTimeoutMs,
    maxMediaBytes: work.maxMediaBytes,
    log,
    onInsecureVideo: () => metrics.insecureVideo.inc(),
  });
  shutdown.step('downloader', () => downloader.close());
  const holds = createAccountHolds({
    catalogue,
    clock,
    lifetimes,
    log,
    rereadAccounts: () => renewAccounts(context),
  });
  if (accounts.all.some(({ product }) => product === 'wecom')) {
    const syncer = createKfSyncer({
      catalogue,
      kfSync: createKfSync({ api, tokens }),
      accounts,
      holds,
      clock,
      lifetimes,
      random: Math.random,
      metrics,
      log,
      onAccepted: context.due.notify,
      rereadAccounts: () => renewAccounts(context),
    });
    const syncing = syncer.run(shutdown.signal);
    shutdown.step('customer service', () => syncing);
  }
  const quotaOf = createQuotaReader({ api, tokens });
  const readQuota = createQuotaRefresh({ quotaOf, accounts, catalogue, clock });
  const reading = watchQuotas({ ...context, readQuota }, randomUUID(), shutdown.signal);
  shutdown.step('quotas', () => reading);
  const storeHold = createStoreHold({
    catalogue,
    probe: createStoreProbe(store, config.objects.prefix),
    clock,
    lifetimes,
    metrics,
    log,
    onReleased: () => dispatcher.notify(),
    onClockSkew: (why) => {
      if (!why) return context.health.setHealthy('store_clock_skewed');
      context.health.setUnhealthy('store_clock_skewed', { detail: { words: why.detail ?? why.code } });
    },
  });
  const keeping = storeHold.run(shutdown.signal);
  shutdown.step('hold of the store', () => keeping);
  const shares = startHeartbeat(context, { isWorker: true });
  const stored = createStoredObjects({ store, catalogue, clock, log, prefix: config.objects.prefix });
  const settle = createFailureHandler({
    catalogue,
    holds,
    storeHold,
    clock,
    lifetimes,
    random: Math.random,
    metrics,
    log,
    stored,
    readQuota,
  });
  const archiver = createArchiver({
    accounts,
    tokens,
    downloader,
    store,
    catalogue,
    budget: createByteBudget(work.byteBudgetBytes),
    limiter: createAccountLimiter(shares.shareOf),
    holds,
    accept,
    handleFailure: settle,
    clock,
    metrics,
    log,
    prefix: config.objects.prefix,
    lifetimeMs: lifetimes.lifetimeMs,
    pictureRetryMs: lifetimes.scale(PICTURE_RETRY_MS),
  });
  const archive = recogniseStored(archiver, { catalogue, log }, stored);
  const watchdog = await openConsumerWatchdog(
    { queue, health: context.health, metrics, clock, log },
    async (job, signal) => {
      try {
        return await storeHold.runUnlessHeld(job, signal, (within) => archive(job, within));
      } finally {
        dispatcher.jobFinished();
      }
    },
    {
      consume: {
        ...timing,
        concurrency: work.concurrency,
        onInvalidJob: async (row, reason) => {
          await settle(row, clock.now(), failure('internal', `its job could not be read: ${reason}`));
        },
      },
      graceMs: work.shutdownGraceMs,
    },
  );
  const guarding = watchdog.run(shutdown.signal);
  shutdown.step('watchdog', () => guarding);
  shutdown.step('consumer', () => watchdog.close(work.shutdownGraceMs), work.shutdownGraceMs + 10_000);
  return {
    checkTokens: () => {
      const trying = checkAccountTokens({ accounts, tokens, holds, clock, lifetimes, log }, shutdown.signal);
      shutdown.step('trying accounts', () => trying);
    },
  };
}

export function startSweeper(
  context: AppContext,
  dispatcher?: Dispatcher,
  timing: SweepOptions & VerifyOptions = {},
): void {
  const { config, catalogue, queue, store, metrics, clock, lifetimes, log, accounts, shutdown } = context;
  const sweeper = createSweeper(
    {
      catalogue,
      queue,
      store,
      stored: createStoredObjects({ store, catalogue, clock, log, prefix: config.objects.prefix }),
      metrics,
      clock,
      lifetimes,
      log,
      windowRows: config.queue.windowSize * Math.max(1, accounts.all.length),
      onFreed: () => dispatcher?.notify(),
    },
    timing,
  );
  const running = sweeper.run(shutdown.signal);
  shutdown.step('sweeper', () => running);
  const redriver = createRedriver({ catalogue, metrics, clock, log, onRedriven: () => dispatcher?.notify() });
  const redriving = redriver.run(shutdown.signal);
  shutdown.step('redrives', () => redriving);
  const recounting = createRecounter({ catalogue, clock, log, metrics }).run(shutdown.signal);
  shutdown.step('recount', () => recounting);
  startVerifier(context, timing);
  // A loop of its own: a store that is slow to delete must not keep lost jobs from being freed.
  const { retentionMs } = config;
  const eraser = createEraser(context, {
    ...timing,
    retentionMs: retentionMs === undefined ? undefined : lifetimes.scale(retentionMs),
  });
  const erasing = createEraserLoop({ eraser, clock, log, metrics }, timing).run(shutdown.signal);
  shutdown.step('erasing', () => erasing);
}
