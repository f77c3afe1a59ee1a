/** The program's numbers, in Prometheus' words. Labels never hold ids. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The programs that count a metric; of one that is not here, every program does. `all` is each of them. */
const COUNTED_BY: Readonly<Partial<Record<Exclude<keyof Metrics, 'registry'>, readonly ProgramKind[]>>> = {
  received: ['server', 'worker'],
  callbacks: ['server'],
  upstream: ['server'],
  passedOver: ['worker'],
  archived: ['worker'],
  archivedBytes: ['worker'],
  failed: ['worker'],
  expired: ['worker', 'sweep'],
  spooled: ['server'],
  spoolRecords: ['server'],
  spoolBytes: ['server'],
  redriven: ['server', 'sweep'],
  insecureVideo: ['worker'],
  // Read from the catalogue, whatever process changed it.
  backlog: ['server'],
  atRisk: ['server'],
  tightestExpiry: ['server'],
  oldestPending: ['server'],
  deadLetters: ['server'],
  accountHeld: ['server'],
  storeHeld: ['server', 'worker'],
  quotaRemaining: ['server'],
  tokenExpiresIn: ['server'],
  consumerRestarts: ['worker'],
  timeToArchive: ['worker'],
  expirySlack: ['worker'],
  download: ['worker'],
  store: ['worker'],
};

const COUNTING = ['server', 'worker', 'sweep'] as const;
export type ProgramKind = (typeof COUNTING)[number];

export const programsOf = (name: string): readonly ProgramKind[] =>
  (COUNTED_BY as Partial<Record<string, readonly ProgramKind[]>>)[name] ?? COUNTING;

/**
 * Shows only what this program counts: a server that said 0 archived would be believed. Any other name than those of
 * the three programs is one that does all of their work.
 */
export function exposeOnlyMetricsOf(program: string, { registry, ...metrics }: Metrics): void {
  if (!COUNTING.some((one) => one === program)) return;
  for (const [key, metric] of Object.entries(metrics)) {
    if (!programsOf(key).some((one) => one === program))
      registry.removeSingleMetric((metric as unknown as { name: string }).name);
  }
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Archiving takes milliseconds when all is well and days when it is not. */
const LIFE_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400, 259_200];
const TRANSFER_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: `wma_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name: `wma_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `wma_${name}`, help, buckets, registers });

  return {
    registry,
    received: counter('received_total', 'Media accepted for the first time.'),
    callbacks: counter('callbacks_total', 'Callbacks of WeChat by what became of them.', ['outcome']),
    upstream: counter('upstream_total', 'Callbacks passed on to a handler by what came of it.', ['outcome']),
    passedOver: counter(
      'passed_over_total',
      'Messages of customer service, and lines of forwarded records, of which nothing is archived.',
      ['type', 'why'],
    ),
    archived: counter('archived_total', 'Media stored and verified.'),
    archivedBytes: counter('archived_bytes_total', 'Bytes of archived media.'),
    failed: counter('failed_total', 'Failed tries.', ['class', 'errcode']),
    expired: counter('expired_total', 'Media that passed their deadline.'),
    spooled: counter('spooled_total', 'Records written to the spool while the catalogue was away.'),
    spoolRecords: gauge('spool_records', 'Records of this process that wait in the spool.'),
    spoolBytes: gauge('spool_bytes', 'Bytes of this process that wait in the spool.'),
    redriven: counter('redriven_total', 'Dead or expired media that somebody had tried again.'),
    insecureVideo: counter('insecure_video_total', 'Video fetches repeated over http, the token in clear.'),
    backlog: gauge('backlog', 'Pending media by why they wait.', ['reason']),
    atRisk: gauge('at_risk', 'Pending media within a twelfth of a life of their deadline.'),
    tightestExpiry: gauge(
      'tightest_expiry_seconds',
      'Time left of the pending media nearest to its deadline.',
    ),
    oldestPending: gauge('oldest_pending_seconds', 'How long ago the oldest pending media was sent.'),
    checkFailing: gauge(
      'check_failing',
      'How often each check of the list finds something now (accounts, processes; 1 where there is one of it). Absent: not known.',
      ['code'],
    ),
    deadLetters: gauge('dead_letters', 'Dead letters by errcode (code, where WeChat gave none).', [
      'errcode',
    ]),
    accountHeld: gauge('account_held', 'Accounts whose media wait as a whole.', ['reason']),
    storeHeld: gauge('store_held', '1 while all archiving waits because the store takes nothing.'),
    quotaRemaining: gauge(
      'quota_remaining',
      'Calls of media/get left today, of the account with the least. NaN: not read since the reset (Beijing midnight).',
    ),
    tokenExpiresIn: gauge('token_expires_in_seconds', 'Time left of the shortest-lived stored access token.'),
    alerts: counter('alerts_total', 'Messages to ALERT_URL by what came of them.', ['outcome']),
    backgroundErrors: counter(
      'background_errors_total',
      'Errors of background loops, by loop. Each is retried; a loop that keeps failing needs a look at the log.',
      ['loop'],
    ),
    consumerRestarts: counter(
      'consumer_restarts_total',
      'Times the watchdog opened the consumer of this worker anew.',
    ),
    timeToArchive: histogram('time_to_archive_seconds', 'From the message to archived.', LIFE_SECONDS),
    expirySlack: histogram('expiry_slack_seconds', 'Life left when archived.', LIFE_SECONDS),
    download: histogram(
      'download_seconds',
      "From the request to WeChat's first bytes judged.",
      TRANSFER_SECONDS,
    ),
    store: histogram('store_seconds', 'From the first bytes to the object stored.', TRANSFER_SECONDS),
  };
}
