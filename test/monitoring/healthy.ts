/** The series of a service that is well, for unit tests of the rules: two servers that say the same, and a worker. */
import { CHECK_CODES } from '../../src/pipeline/checks/table.ts';
import { ARCHIVER, CODES_NOT_YET, type Series } from './rules-file.ts';

const labelsOf = (labels: Readonly<Record<string, string>>) =>
  Object.entries({ archiver: ARCHIVER, ...labels })
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ');

export const series = (metric: string, labels: Readonly<Record<string, string>> = {}): string =>
  `${metric}{${labelsOf(labels)}}`;

const SERVERS = ['server-a:8080', 'server-b:8080'];
const WORKER = { instance: 'worker:9090' };

/** A gauge of the catalogue, which both servers export. */
export const ofServers = (
  metric: string,
  values: string,
  labels: Readonly<Record<string, string>> = {},
): Series => Object.fromEntries(SERVERS.map((instance) => [series(metric, { ...labels, instance }), values]));

export const ofWorker = (metric: string, values: string, labels: Readonly<Record<string, string>> = {}) => ({
  [series(metric, { ...labels, ...WORKER })]: values,
});

export const CALLBACK = { route: '/wechat/:account', method: 'POST' };
export const API = { route: '/v1/media', method: 'POST' };
const JOBS = { server: 'wechat-media-archiver', worker: 'wechat-media-archiver-workers' };

export const up = (values: { server: string; worker: string }): Series => ({
  [series('up', { job: JOBS.server, instance: SERVERS[0]! })]: values.server,
  [series('up', { job: JOBS.worker, ...WORKER })]: values.worker,
});

/** All codes of checks, also those of parts that this version does not have yet. */
export const CODES = [...new Set<string>([...CHECK_CODES, ...CODES_NOT_YET])];

export const checks = (values: string): Series =>
  Object.assign({}, ...CODES.map((code) => ofServers('wma_check_failing', values, { code })));

/** One item a second arrives and is archived; a callback and an API call a second. `minutes`: how long. */
export const healthy = (minutes: number): Series => ({
  ...checks(`0x${minutes}`),
  ...up({ server: `1x${minutes}`, worker: `1x${minutes}` }),
  ...ofServers('wma_backlog_time_left', `0x${minutes}`, { left: 'overdue' }),
  ...ofServers('wma_backlog_time_left', `0x${minutes}`, { left: 'under1h' }),
  ...ofServers('wma_backlog_time_left', `0x${minutes}`, { left: 'under6h' }),
  ...ofServers('wma_backlog_time_left', `0x${minutes}`, { left: 'under24h' }),
  ...ofServers('wma_backlog_time_left', `5x${minutes}`, { left: 'over24h' }),
  ...ofServers('wma_at_risk', `0x${minutes}`),
  ...ofServers('wma_quota_remaining', `90000-20x${minutes}`),
  ...ofServers('wma_quota_remaining_ratio', `0.9-0.0002x${minutes}`),
  ...ofServers('wma_webhook_pending', `3x${minutes}`),
  [series('wma_received_total', { instance: SERVERS[0]! })]: `0+60x${minutes}`,
  [series('wma_http_requests_total', { ...CALLBACK, status: '200' })]: `0+60x${minutes}`,
  [series('wma_http_requests_total', { ...CALLBACK, status: '503' })]: `0x${minutes}`,
  [series('wma_http_requests_total', { ...API, status: '202' })]: `0+60x${minutes}`,
  [series('wma_http_requests_total', { ...API, status: '500' })]: `0x${minutes}`,
  [series('wma_alerts_total', { outcome: 'sent' })]: `0x${minutes}`,
  [series('wma_alerts_total', { outcome: 'failed' })]: `0x${minutes}`,
  ...ofWorker('wma_archived_total', `0+60x${minutes}`),
  ...ofWorker('wma_archived_bytes_total', `0+6000000x${minutes}`),
  ...ofWorker('wma_dead_total', `0x${minutes}`),
  ...ofWorker('wma_expired_total', `0x${minutes}`),
  ...ofWorker('wma_failed_total', `0+6x${minutes}`, { class: 'transient', errcode: '-1' }),
  ...ofWorker('wma_time_to_archive_seconds_bucket', `0+30x${minutes}`, { le: '0.5' }),
  ...ofWorker('wma_time_to_archive_seconds_bucket', `0+60x${minutes}`, { le: '1' }),
  ...ofWorker('wma_time_to_archive_seconds_bucket', `0+60x${minutes}`, { le: '+Inf' }),
});
