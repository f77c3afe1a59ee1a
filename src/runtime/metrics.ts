/** The program's metrics for Prometheus. Labels never contain ids. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The programs that export a metric; a metric that is not listed is exported by all of them. */
const PROGRAMS_OF: Readonly<Partial<Record<Exclude<keyof Metrics, 'registry'>, readonly ProgramKind[]>>> = {
  received: ['server', 'worker'],
  eventDelivery: ['server'],
  eventReaders: ['server'],
  callbacks: ['server'],
  upstream: ['server'],
  passedOver: ['worker'],
  archived: ['worker'],
  archivedBytes: ['worker'],
  failed: ['worker'],
  dead: ['worker'],
  expired: ['worker', 'sweep'],
  spooled: ['server'],
  spoolRecords: ['server'],
  spoolBytes: ['server'],
  redriven: ['server', 'sweep'],
  insecureVideo: ['worker'],
  // These values are read from the catalogue, which all processes change.
  backlog: ['server'],
  backlogTimeLeft: ['server'],
  due: ['server'],
  queueJobs: ['server'],
  workers: ['server'],
  atRisk: ['server'],
  tightestExpiry: ['server'],
  oldestPending: ['server'],
  deadLetters: ['server'],
  accountHeld: ['server'],
  storeHeld: ['server', 'worker'],
  previews: ['server'],
  previewSeconds: ['server'],
  previewCacheBytes: ['server'],
  quotaRemaining: ['server'],
  quotaRemainingRatio: ['server'],
  tokenExpiresIn: ['server'],
  httpRequests: ['server'],
  httpSeconds: ['server'],
  byteBudget: ['server', 'worker'],
  byteBudgetReserved: ['server', 'worker'],
  byteBudgetWaiting: ['server', 'worker'],
  consumerRestarts: ['worker'],
  timeToArchive: ['worker'],
  expirySlack: ['worker'],
  webhookDeliveries: ['worker'],
  webhookPending: ['worker'],
  download: ['worker'],
  store: ['worker'],
};

const PROGRAM_KINDS = ['server', 'worker', 'sweep'] as const;
export type ProgramKind = (typeof PROGRAM_KINDS)[number];

export const programsOf = (name: string): readonly ProgramKind[] =>
  (PROGRAMS_OF as Partial<Record<string, readonly ProgramKind[]>>)[name] ?? PROGRAM_KINDS;

/**
 * Removes the metrics that this program does not count: `archived_total 0` from a server would be misleading. A program
 * with another name does the work of all three, so all metrics stay.
 */
export function exposeOnlyMetricsOf(program: string, { registry, ...metrics }: Metrics): void {
  if (!PROGRAM_KINDS.some((one) => one === program)) return;
  for (const [key, metric] of Object.entries(metrics)) {
    if (!programsOf(key).some((one) => one === program))
      registry.removeSingleMetric((metric as unknown as { name: string }).name);
  }
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Archiving takes milliseconds normally, and up to days during an outage. */
const LIFE_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400, 259_200];
const DELIVERY_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600];
const TRANSFER_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** From a callback, which takes milliseconds, to the longest wait of a request for the feed. */
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What is measured at the moment of a scrape. */
export interface Measured {
  /** As in ./concurrency/byte-budget.ts; structural, because that folder is above this file. */
  readonly budget?: { readonly totalBytes: number; readonly freeBytes: number; readonly waiting: number };
}

export function createMetrics({ budget }: Measured = {}) {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: `wma_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name: `wma_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: L[] = []) =>
    new Histogram<L>({ name: `wma_${name}`, help, buckets, labelNames, registers });
  /** Its value is read at each scrape. Without `read` there is none. */
  const measured = (name: string, help: string, read?: () => number | undefined) =>
    new Gauge({
      name: `wma_${name}`,
      help,
      registers,
      collect() {
        this.set(read?.() ?? Number.NaN);
      },
    });
  /** As {@link measured}, of a value that only grows while the process lives. */
  const measuredTotal = (name: string, help: string, read: () => number) =>
    new Counter({
      name: `wma_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });

  return {
    registry,
    events: counter('events_total', 'Events that were written to the feed, by type.', ['type']),
    eventDelivery: histogram(
      'event_delivery_seconds',
      'From a change to its event at a client that was waiting.',
      DELIVERY_SECONDS,
    ),
    eventReaders: gauge('event_readers', 'Clients that wait for events now: long polls and streams.'),
    received: counter('received_total', 'Media items accepted for the first time.'),
    callbacks: counter('callbacks_total', 'Callbacks of WeChat by outcome.', ['outcome']),
    upstream: counter('upstream_total', 'Callbacks forwarded to the handler of upstreamUrl, by outcome.', [
      'outcome',
    ]),
    passedOver: counter(
      'passed_over_total',
      'Skipped messages of customer service and skipped lines of forwarded records.',
      ['type', 'why'],
    ),
    archived: counter('archived_total', 'Media items stored and verified.'),
    archivedBytes: counter('archived_bytes_total', 'Bytes of archived media items.'),
    failed: counter('failed_total', 'Failed attempts.', ['class', 'errcode']),
    dead: counter(
      'dead_total',
      'Media items that failed for good (dead letters). Not those that arrive without a media id.',
    ),
    expired: counter('expired_total', 'Media items that passed their deadline.'),
    spooled: counter('spooled_total', 'Records written to the spool while the catalogue was unavailable.'),
    spoolRecords: gauge('spool_records', 'Records of this process in the spool.'),
    spoolBytes: gauge('spool_bytes', 'Bytes of this process in the spool.'),
    redriven: counter('redriven_total', 'Dead or expired media items that were redriven.'),
    insecureVideo: counter(
      'insecure_video_total',
      'Video downloads repeated over http, with the token unencrypted.',
    ),
    backlog: gauge('backlog', 'Pending media items by the reason why they wait.', ['reason']),
    backlogTimeLeft: gauge(
      'backlog_time_left',
      'Pending media items by the time left until their deadline (hours of 72; overdue: only the last attempt is left).',
      ['left'],
    ),
    due: gauge(
      'due',
      'Media items that a further worker could take now, within the concurrency of their accounts. For autoscalers.',
    ),
    queueJobs: gauge('queue_jobs', 'Jobs in the queue by state.', ['state']),
    workers: gauge('workers', 'Workers that are alive.'),
    atRisk: gauge('at_risk', 'Pending media items with less than a twelfth of MEDIA_LIFETIME left.'),
    tightestExpiry: gauge(
      'tightest_expiry_seconds',
      'Time left of the pending media item nearest to its deadline.',
    ),
    oldestPending: gauge(
      'oldest_pending_seconds',
      'Age of the oldest pending media item, from when it was sent.',
    ),
    checkFailing: gauge(
      'check_failing',
      'The number of current findings of each check (by account, by process, or 1). Absent: unknown.',
      ['code'],
    ),
    deadLetters: gauge('dead_letters', 'Dead letters by errcode, or by code if WeChat sent no errcode.', [
      'errcode',
    ]),
    accountHeld: gauge('account_held', 'Accounts on hold, by reason.', ['reason']),
    storeHeld: gauge('store_held', '1 while all archiving waits because the store refuses every object.'),
    quotaRemaining: gauge(
      'quota_remaining',
      'Calls of media/get left today for the account with the fewest. NaN: not read since the reset (Beijing midnight).',
    ),
    quotaRemainingRatio: gauge(
      'quota_remaining_ratio',
      "Share of the day's calls of media/get that is left, 0 to 1, for the account with the smallest share. NaN as above.",
    ),
    tokenExpiresIn: gauge(
      'token_expires_in_seconds',
      'Time left of the stored access token that expires first.',
    ),
    previews: counter('previews_total', 'Previews of pictures and voices by outcome.', ['outcome']),
    previewSeconds: histogram(
      'preview_seconds',
      'Time to make a preview, with the wait for a converter and the reading of the object.',
      TRANSFER_SECONDS,
    ),
    previewCacheBytes: gauge('preview_cache_bytes', 'Bytes of the previews in DATA_DIR.'),
    httpRequests: counter('http_requests_total', 'HTTP requests by method, route and status.', [
      'method',
      'route',
      'status',
    ]),
    httpSeconds: histogram(
      'http_request_seconds',
      'Time from the head of an HTTP request to the end of its response, by route.',
      REQUEST_SECONDS,
      ['route'],
    ),
    webhookDeliveries: counter('webhook_deliveries_total', 'Attempts to deliver a webhook by outcome.', [
      'outcome',
    ]),
    webhookPending: gauge(
      'webhook_pending',
      'Webhook deliveries that wait or are being sent, of endpoints that are enabled; counted up to 100,000.',
    ),
    alerts: counter('alerts_total', 'Messages to ALERT_URL by outcome.', ['outcome']),
    backgroundErrors: counter(
      'background_errors_total',
      'Errors of background loops, by loop. Each is retried; the log has the reason.',
      ['loop'],
    ),
    loopFailing: gauge(
      'background_loop_failing',
      '1 while a background loop has failed at least three times in a row, for 30 seconds or longer.',
      ['loop'],
    ),
    consumerRestarts: counter(
      'consumer_restarts_total',
      'How many times the watchdog reopened the consumer of this worker.',
    ),
    timeToArchive: histogram(
      'time_to_archive_seconds',
      'Time from sentAt of the message until the item was archived.',
      LIFE_SECONDS,
    ),
    expirySlack: histogram(
      'expiry_slack_seconds',
      'Time left until the deadline when the item was archived.',
      LIFE_SECONDS,
    ),
    download: histogram(
      'download_seconds',
      "Time from the request until WeChat's first bytes were classified.",
      TRANSFER_SECONDS,
    ),
    store: histogram(
      'store_seconds',
      'Time from the first bytes until the object was stored.',
      TRANSFER_SECONDS,
    ),
    byteBudget: measured(
      'byte_budget_bytes',
      'BYTE_BUDGET: the memory that this process may use for the bytes of media items.',
      () => budget?.totalBytes,
    ),
    byteBudgetReserved: measured(
      'byte_budget_reserved_bytes',
      'Bytes of the budget that attempts and previews have reserved.',
      () => budget && budget.totalBytes - budget.freeBytes,
    ),
    byteBudgetWaiting: measured(
      'byte_budget_waiting',
      'Attempts and previews that wait for bytes of the budget.',
      () => budget?.waiting,
    ),
    buildInfo: gauge('build_info', 'Always 1. Its labels are the version and the program.', [
      'version',
      'program',
    ]),
    memory: measured('memory_bytes', 'Resident memory of this process.', () => process.memoryUsage.rss()),
    cpu: measuredTotal('cpu_seconds_total', 'Processor time of this process, of all its threads.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
    eventLoopBusy: measuredTotal(
      'event_loop_busy_seconds_total',
      'Time in which the event loop of this process was not idle. Its rate is the utilization, 0 to 1.',
      () => performance.eventLoopUtilization().active / 1_000,
    ),
  };
}
