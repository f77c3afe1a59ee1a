/**
 * Seven days of a service that is well, minute by minute, with what a good week brings: nights, weekends, albums of two
 * thousand pictures at once, minutes in which WeChat is busy, items that are retried for hours, late items, dead letters,
 * the reset of the quota, a rolling restart, and a database that is moved within a minute.
 */
import { createRandom } from '../../src/runtime/seeded-random.ts';
import { API, CALLBACK, checks, ofServers, ofWorker, series, up } from './healthy.ts';
import type { Series } from './rules-file.ts';

export const WEEK_MINUTES = 7 * 24 * 60;
const DAY = 24 * 60;
/** Midnight in Beijing is 16:00 UTC. */
const RESET = 16 * 60;
/** Archived in a minute, at most. */
const CAPACITY = 600;
const DAY_LIMIT = 200_000;
const ALBUM = 2_000;
/** A quarter of an hour after an album arrived. */
export const AFTER_ALBUM = DAY + 12 * 60 + 48;
const RESTART_AT = 2 * DAY + 4 * 60;
const DATABASE_MOVE_AT = 4 * DAY + 3 * 60;

/** Messages a minute in each hour of the day in Beijing. */
const DAILY = [
  12, 6, 3, 1, 0, 1, 6, 20, 45, 70, 80, 85, 100, 90, 70, 70, 75, 80, 90, 110, 120, 110, 70, 30,
] as const;

type Column = (number | '_')[];

/** In promtool's notation, with runs of the same value in one word. */
function notation(column: Column): string {
  const words: string[] = [];
  for (let from = 0; from < column.length; ) {
    let to = from;
    while (to + 1 < column.length && column[to + 1] === column[from]) to++;
    words.push(
      to > from ? `${column[from]}x${column[from] === '_' ? to - from + 1 : to - from}` : `${column[from]}`,
    );
    from = to + 1;
  }
  return words.join(' ');
}

/** `step`: the minutes between two samples; a divisor of 4. */
export function quietWeek(step: number): Series {
  const steps = WEEK_MINUTES / step;
  /** A series that has another value in some minutes. */
  const except = (value: number, others: readonly (readonly [minute: number, value: number | '_'])[]) => {
    const column: Column = Array.from({ length: steps + 1 }, () => value);
    for (const [minute, other] of others) if (minute % step === 0) column[minute / step] = other;
    return notation(column);
  };
  const random = createRandom(7);
  const columns = new Map<string, Column>();
  const add = (name: string, value: number | '_') => {
    const column = columns.get(name) ?? [];
    columns.set(name, column);
    column.push(value);
  };

  const totals = { received: 0, archived: 0, failed: 0, dead: 0, fast: 0, callback503: 0, api500: 0 };
  let backlog = 0;
  let remaining = DAY_LIMIT;

  for (let minute = 0; minute <= WEEK_MINUTES; minute++) {
    const hour = Math.floor(minute / 60 + 8) % 24;
    const weekend = Math.floor((minute + 8 * 60) / DAY) % 7 >= 5 ? 0.5 : 1;
    const albums = minute % DAY === 12 * 60 + 36 ? ALBUM : 0;
    const arrived = Math.round(DAILY[hour]! * weekend * (0.5 + random())) + albums;
    const isBusy = minute % (2 * DAY) >= 600 && minute % (2 * DAY) < 605;
    const archived = Math.min(backlog + arrived, isBusy ? Math.ceil(arrived / 2) : CAPACITY);
    // Two items in a long backoff through the nights, when nothing else is archived.
    const inBackoff = hour < 8 ? 2 : 0;
    const dies = random() < 0.02 ? 1 : 0;
    backlog += arrived - archived;

    if (minute === RESTART_AT)
      Object.assign(totals, { received: 0, archived: 0, failed: 0, dead: 0, fast: 0 });
    totals.received += arrived;
    totals.archived += archived;
    totals.failed += isBusy ? arrived : random() < 0.2 ? 1 : 0;
    totals.dead += dies;
    totals.fast += Math.floor(archived * 0.9);
    totals.callback503 += minute === RESTART_AT || minute === DATABASE_MOVE_AT ? 1 : 0;
    totals.api500 += minute === DATABASE_MOVE_AT ? 4 : 0;
    if (minute % DAY === RESET) remaining = DAY_LIMIT;
    remaining -= archived;

    if (minute % step !== 0) continue;
    // For ten minutes after the reset the quota has not been read.
    const isQuotaKnown = (minute - RESET + 10 * DAY) % DAY >= 10;
    const isRestarting = minute === RESTART_AT - step;
    // An item that arrives a day before its end is archived within seconds; a scrape may see it.
    const late = minute % (3 * DAY) === 556 ? 2 : 0;
    add('received', isRestarting ? '_' : totals.received);
    add('archived', isRestarting ? '_' : totals.archived);
    add('bytes', isRestarting ? '_' : totals.archived * 100_000);
    add('failed', isRestarting ? '_' : totals.failed);
    add('dead', isRestarting ? '_' : totals.dead);
    add('fast', isRestarting ? '_' : totals.fast);
    add('503', totals.callback503);
    add('500', totals.api500);
    add('over24h', backlog + inBackoff);
    add('under6h', late);
    add('atRisk', late);
    add('remaining', isQuotaKnown ? remaining : '_');
    add('ratio', isQuotaKnown ? remaining / DAY_LIMIT : '_');
    add('webhooks', albums > 0 ? 1_800 : Math.floor(random() * 6));
  }
  const of = (name: string) => notation(columns.get(name)!);
  const always = (value: number) => `${value}x${steps}`;
  const left = (name: string, values: string) => ofServers('wma_backlog_time_left', values, { left: name });
  const check = (code: string, minutes: readonly number[]) =>
    ofServers(
      'wma_check_failing',
      except(
        0,
        minutes.map((minute) => [minute, 1] as const),
      ),
      { code },
    );
  return {
    ...checks(always(0)),
    // What lasts shorter than an alert waits: a rolling restart, a database that is moved, one slow probe.
    ...check('workers_missing', [RESTART_AT]),
    ...check('consumer_closed', [RESTART_AT, RESTART_AT + 1]),
    ...check('catalogue_away', [DATABASE_MOVE_AT, DATABASE_MOVE_AT + 1]),
    ...check('queue_away', [3 * DAY]),
    ...check('store_unavailable', [5 * DAY, 5 * DAY + 1]),
    ...check('loop_failing', [DATABASE_MOVE_AT]),
    // These are no alerts.
    ...check(
      'dead_letters',
      Array.from({ length: WEEK_MINUTES }, (_, minute) => minute),
    ),
    ...check('workers_none', [RESTART_AT]),
    ...up({
      server: except(1, [[RESTART_AT - step, 0]]),
      worker: except(1, [
        [RESTART_AT - step, 0],
        [RESTART_AT, 0],
      ]),
    }),
    ...left('overdue', always(0)),
    ...left('under1h', always(0)),
    ...left('under6h', of('under6h')),
    ...left('under24h', always(0)),
    ...left('over24h', of('over24h')),
    ...ofServers('wma_at_risk', of('atRisk')),
    ...ofServers('wma_quota_remaining', of('remaining')),
    ...ofServers('wma_quota_remaining_ratio', of('ratio')),
    ...ofServers('wma_webhook_pending', of('webhooks')),
    [series('wma_received_total', { instance: 'server-a:8080' })]: of('received'),
    [series('wma_http_requests_total', { ...CALLBACK, status: '200' })]: of('received'),
    [series('wma_http_requests_total', { ...CALLBACK, status: '503' })]: of('503'),
    [series('wma_http_requests_total', { ...API, status: '202' })]: `0+${20 * step}x${steps}`,
    [series('wma_http_requests_total', { ...API, status: '500' })]: of('500'),
    [series('wma_alerts_total', { outcome: 'sent' })]: always(3),
    [series('wma_alerts_total', { outcome: 'failed' })]: always(1),
    ...ofWorker('wma_archived_total', of('archived')),
    ...ofWorker('wma_archived_bytes_total', of('bytes')),
    ...ofWorker('wma_dead_total', of('dead')),
    ...ofWorker('wma_failed_total', of('failed'), { class: 'transient', errcode: '-1' }),
    ...ofWorker('wma_time_to_archive_seconds_bucket', of('fast'), { le: '1' }),
    ...ofWorker('wma_time_to_archive_seconds_bucket', of('archived'), { le: '5' }),
    ...ofWorker('wma_time_to_archive_seconds_bucket', of('archived'), { le: '+Inf' }),
  };
}
