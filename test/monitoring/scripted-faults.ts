/** For every alert the faults that fire it, and for every recording rule what it must compute. */
import { API, CALLBACK, checks, ofServers, ofWorker, series, up } from './healthy.ts';
import { alerts, codesOf, minutesOf, type Series } from './rules-file.ts';

/** The minute in which a fault of a series begins, after an hour that is well, and how long the series are. */
export const BEGINS = 60;
export const MINUTES = 140;
/** A check needs no history. */
const CHECK_BEGINS = 6;
const CHECK_MINUTES = 12;

/** Values that are `before` for an hour, and then `after`. */
const then = (before: string, after: string) => `${before}x${BEGINS - 1} ${after}x${MINUTES - BEGINS}`;

export interface Fault {
  readonly alert: string;
  readonly what: string;
  readonly changes: Series;
  /** How long the series are. */
  readonly minutes: number;
  /** In this minute nothing fires yet. */
  readonly silentAt: number;
  readonly firesAt: number;
}

/** Of an alert about checks: each of its codes, which fires it no sooner than its `for`. */
const ofChecks: readonly Fault[] = alerts.flatMap((rule) =>
  codesOf(rule).map((code) => ({
    alert: rule.alert,
    what: `the check ${code} fails`,
    changes: ofServers('wma_check_failing', `0x${CHECK_BEGINS - 1} 1x${CHECK_MINUTES}`, { code }),
    minutes: CHECK_MINUTES,
    silentAt: CHECK_BEGINS + minutesOf(rule) - 1,
    // A minute later, because groups of rules are evaluated in any order.
    firesAt: CHECK_BEGINS + minutesOf(rule) + 1,
  })),
);

const fault = (
  alert: string,
  what: string,
  times: readonly [number, number],
  ...changes: Series[]
): Fault => ({
  alert,
  what,
  changes: Object.assign({}, ...changes),
  minutes: MINUTES,
  silentAt: times[0],
  firesAt: times[1],
});

const ofSeries: readonly Fault[] = [
  fault(
    'WmaItemsAtRiskRising',
    'an item more is at risk every minute',
    [BEGINS + 10, BEGINS + 12],
    ofServers('wma_at_risk', then('0', '0+1')),
  ),
  fault(
    'WmaBacklogMissesDeadlines',
    '200,000 items have a day left, and one a second is archived',
    [BEGINS + 14, BEGINS + 16],
    ofServers('wma_backlog_time_left', then('0', '200000'), { left: 'under24h' }),
  ),
  fault(
    'WmaBacklogGrowing',
    'ten items a second arrive more than are archived',
    [BEGINS + 30, BEGINS + 75],
    ofServers('wma_backlog_time_left', then('5', '0+600'), { left: 'over24h' }),
  ),
  fault(
    'WmaDeadLetters',
    'one item of seven fails for good',
    [BEGINS + 15, BEGINS + 45],
    ofWorker('wma_dead_total', then('0', '0+10')),
  ),
  fault(
    'WmaAttemptsFailing',
    'five attempts fail for each three that succeed',
    [BEGINS + 10, BEGINS + 25],
    ofWorker('wma_failed_total', then('0', '0+100'), { class: 'transient', errcode: '-1' }),
  ),
  fault(
    'WmaQuotaNearlyUsed',
    'nine per cent of the calls are left',
    [BEGINS + 4, BEGINS + 6],
    ofServers('wma_quota_remaining_ratio', then('0.9', '0.09')),
  ),
  fault(
    'WmaQuotaRunsOut',
    '100 calls a minute, and 40,000 left for fifteen hours',
    [10, BEGINS],
    ofServers('wma_quota_remaining', `40000-100x${MINUTES}`),
    ofServers('wma_quota_remaining_ratio', `0.4-0.001x${MINUTES}`),
  ),
  fault(
    'WmaNothingScraped',
    'no process is scraped any more',
    [BEGINS + 5, BEGINS + 12],
    checks(`0x${BEGINS - 1} _x${MINUTES - BEGINS}`),
  ),
  fault(
    'WmaTargetDown',
    'the worker cannot be scraped',
    [BEGINS + 4, BEGINS + 5],
    up({ server: `1x${MINUTES}`, worker: then('1', '0') }),
  ),
  fault('WmaAlertsNotSent', 'no message to ALERT_URL is accepted', [BEGINS + 10, BEGINS + 12], {
    [series('wma_alerts_total', { outcome: 'failed' })]: then('0', '0+1'),
  }),
  fault('WmaCallbacksFailing', 'one callback a minute gets 503', [BEGINS + 3, BEGINS + 6], {
    [series('wma_http_requests_total', { ...CALLBACK, status: '503' })]: then('0', '0+1'),
  }),
  fault('WmaApiErrors', 'ten of seventy API requests fail', [BEGINS + 10, BEGINS + 20], {
    [series('wma_http_requests_total', { ...API, status: '500' })]: then('0', '0+10'),
  }),
  fault(
    'WmaWebhookBacklogGrowing',
    'a hundred deliveries more wait every minute',
    [BEGINS + 35, BEGINS + 45],
    ofServers('wma_webhook_pending', then('3', '0+100')),
  ),
];

export const FAULTS: readonly Fault[] = [...ofChecks, ...ofSeries];

/** What each recording rule computes of the healthy hour: the two servers count once. */
export const RECORDED: readonly { readonly series: string; readonly value: number }[] = [
  { series: 'archiver:wma_check_failing:max{archiver="main", code="store_held"}', value: 0 },
  { series: 'archiver:wma_backlog:max{archiver="main"}', value: 25 },
  { series: 'archiver:wma_backlog_within:max{archiver="main", within="6h"}', value: 6 },
  { series: 'archiver:wma_backlog_within:max{archiver="main", within="24h"}', value: 10 },
  // 6 items within six hours are more urgent than 25 within three days.
  { series: 'archiver:wma_archive_rate_needed:max{archiver="main"}', value: 0.000278 },
  { series: 'archiver:wma_received:rate5m{archiver="main"}', value: 1 },
  { series: 'archiver:wma_archived:rate5m{archiver="main"}', value: 1 },
  { series: 'archiver:wma_archived:rate1h{archiver="main"}', value: 1 },
  { series: 'archiver:wma_archived_bytes:rate5m{archiver="main"}', value: 100_000 },
  { series: 'archiver:wma_failed:rate5m{archiver="main", class="transient", errcode="-1"}', value: 0.1 },
  { series: 'archiver:wma_dead:increase1h{archiver="main"}', value: 60 },
  { series: 'archiver:wma_at_risk:max{archiver="main"}', value: 2 },
  { series: 'archiver:wma_quota_remaining:min{archiver="main"}', value: 88_800 },
  { series: 'archiver:wma_quota_remaining_ratio:min{archiver="main"}', value: 0.888 },
  { series: 'archiver:wma_webhook_pending:max{archiver="main"}', value: 3 },
  { series: 'archiver:wma_time_to_archive_seconds:p50_5m{archiver="main"}', value: 0.5 },
  { series: 'archiver:wma_time_to_archive_seconds:p99_5m{archiver="main"}', value: 0.99 },
  { series: 'archiver:wma_callbacks_failed:increase10m{archiver="main"}', value: 10 },
];
/** The healthy series with other values where theirs would be 0. */
export const RECORDED_CHANGES: Series = {
  ...ofServers('wma_backlog_time_left', `1x${MINUTES}`, { left: 'overdue' }),
  ...ofServers('wma_backlog_time_left', `2x${MINUTES}`, { left: 'under1h' }),
  ...ofServers('wma_backlog_time_left', `3x${MINUTES}`, { left: 'under6h' }),
  ...ofServers('wma_backlog_time_left', `4x${MINUTES}`, { left: 'under24h' }),
  ...ofServers('wma_backlog_time_left', `15x${MINUTES}`, { left: 'over24h' }),
  ...ofServers('wma_at_risk', `2x${MINUTES}`),
  ...ofWorker('wma_dead_total', `0+1x${MINUTES}`),
  [series('wma_http_requests_total', { ...CALLBACK, status: '503' })]: `0+1x${MINUTES}`,
};
