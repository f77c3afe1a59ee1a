/** The program's own archiver, downloader and store, with a catalogue that agrees to everything. */
import { createAccounts } from '../../src/account.ts';
import { createArchiver } from '../../src/pipeline/archive/archive.ts';
import type { HandleFailure } from '../../src/pipeline/archive/handle-failure.ts';
import { composeMiddleware, createJobMiddleware } from '../../src/pipeline/archive/job-middleware.ts';
import { createAccountLimiter } from '../../src/pipeline/dispatch/account-limiter.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createByteBudget } from '../../src/runtime/concurrency/byte-budget.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { createStore } from '../../src/storage/store.ts';
import { createDownloader } from '../../src/wechat/media/download.ts';
import { BUCKET, KEYS, type OpenVariant, REGION } from './variant.ts';

const MIB = 1024 * 1024;
const ACCOUNT = {
  account: 'wxbench',
  product: 'official',
  appId: 'wxbench',
  secret: 'bench-app-secret',
  token: 'benchtoken',
  requireEncryption: false,
  concurrency: 1000,
} as const;

export interface ProductOptions {
  readonly byteBudgetBytes: number;
}

export const openProduct =
  (options: ProductOptions): OpenVariant =>
  ({ originUrl, sinkUrl }) => {
    const clock = systemClock;
    const log = createLog({ level: 'silent', program: 'bench', secrets: [] });
    const downloader = createDownloader({
      baseUrl: originUrl,
      allowHosts: [],
      idleTimeoutMs: 60_000,
      totalTimeoutMs: 600_000,
      maxMediaBytes: 1024 * MIB,
      log,
    });
    const store = createStore({
      bucket: BUCKET,
      endpoint: sinkUrl,
      region: REGION,
      addressing: 'path',
      ...KEYS,
      prefix: '',
      clock,
      log,
    });
    const now = new Date();
    const accounts = createAccounts([ACCOUNT]);
    const accept = async () => [];
    const handleFailure: HandleFailure = async (_job, _startedAt, error) => {
      throw error;
    };
    const middleware = createJobMiddleware({
      accounts,
      accept,
      handleFailure,
      clock,
      log,
      catalogue: { media: { get: async () => undefined }, ping: async () => undefined },
      dispatcher: { jobFinished: () => undefined },
      storeHold: { runUnlessHeld: (_job, signal, run) => run(signal) },
      storedObjects: { adopt: async () => false },
      limiter: createAccountLimiter(),
      holds: { admit: async () => ({ to: 'proceed', isProbe: false }), invalidate: () => undefined },
    });
    const attempt = createArchiver({
      accounts,
      tokens: {
        get: async () => ({
          value: 'benchmark-access-token',
          fingerprint: 'benchmark',
          issuedAt: now,
          expiresAt: now,
        }),
        reportRefused: async () => ({ retryAfterMs: 0 }),
        reportAccepted: () => undefined,
      },
      downloader,
      store,
      catalogue: {
        media: { get: async () => undefined },
        mediaErasure: { reopen: async () => false },
        outcomes: {
          reserve: async () => ({}),
          markArchived: async () => true,
          markFailed: async () => true,
        },
        uploads: { record: async () => true, clear: async () => undefined },
      },
      budget: createByteBudget(options.byteBudgetBytes),
      accept,
      handleFailure,
      clock,
      metrics: createMetrics(),
      log,
      archivedLog: { add: () => undefined },
      prefix: 'media/',
      lifetimeMs: 72 * 3_600_000,
      pictureRetryMs: 300_000,
    });
    const archive = composeMiddleware(middleware, attempt);
    let serial = 0;
    return {
      move: async (file) => {
        const id = `m_${(++serial).toString(16).padStart(32, '0')}`;
        const reference = {
          account: ACCOUNT.account,
          mediaId: file.mediaId,
          kind: file.kind,
          openId: 'oBenchmark',
          msgId: String(serial),
          sentAt: now,
        };
        const job = { jobId: `${id}-1`, id, generation: 1, reference, attempt: 1 };
        // As the queue's consumer does: a signal of each job's own.
        const result = await archive(job, new AbortController().signal);
        if (result.action !== 'finish') throw new Error(`the program did not archive: ${result.action}`);
      },
    };
  };
