/** Panels about media items: what waits, what came of the others, how long it took, and what failed. */
import { P50, P99, type Row } from './panel.ts';
import { growth, least, quantile, RATE_NEEDED, rate, samples, shared, sharedTotal } from './queries.ts';

export const ITEM_ROWS: readonly Row[] = [
  {
    title: 'Now',
    panels: [
      {
        title: 'Failing checks',
        description:
          'Findings of the list of checks (docs/operations.md): the same as on the page, in wma doctor and in alerts.',
        unit: 'none',
        type: 'table',
        lines: [[`${shared('wma_check_failing', ['code'])} > 0`, '{{code}}']],
        noValue: 'none',
      },
      {
        title: 'Firing alerts',
        description: 'Alerts of deploy/prometheus/rules.yml that fire now.',
        unit: 'none',
        type: 'table',
        lines: [
          [
            `sum by (alertname, severity, code) (${samples('ALERTS', 'alertname=~"Wma.+"', 'alertstate="firing"')})`,
            '{{alertname}}',
          ],
        ],
        noValue: 'none',
      },
      {
        title: 'Nearest deadline',
        description: 'Time left of the pending item that is nearest to its deadline. Negative: past it.',
        unit: 's',
        type: 'stat',
        width: 4,
        lines: [[`min (${samples('wma_tightest_expiry_seconds')})`, '']],
        limits: [86_400, 21_600],
        noValue: 'nothing waits',
      },
      {
        title: 'Pending',
        description: 'Media items that are accepted and not archived yet.',
        unit: 'short',
        type: 'stat',
        width: 4,
        lines: [[sharedTotal('wma_backlog_time_left', ['left']), '']],
      },
      {
        title: 'At risk',
        description: 'Pending items with less than six hours left, or past their deadline.',
        unit: 'short',
        type: 'stat',
        width: 4,
        lines: [[shared('wma_at_risk'), '']],
        limits: [1, 10],
      },
      {
        title: 'Held accounts',
        description: 'Accounts whose items all wait, after a refusal or by hand.',
        unit: 'short',
        type: 'stat',
        width: 4,
        lines: [[`${sharedTotal('wma_account_held', ['reason'])} or vector(0)`, '']],
        limits: [1, 5],
      },
      {
        title: 'Store held',
        description: '1 while all archiving waits because the store refuses every object.',
        unit: 'bool_yes_no',
        type: 'stat',
        width: 4,
        lines: [[`max (${samples('wma_store_held')})`, '']],
        limits: [1, 1],
      },
      {
        title: 'Workers',
        description: 'Workers that are alive.',
        unit: 'short',
        type: 'stat',
        width: 4,
        lines: [[shared('wma_workers'), '']],
        limits: [1, 0],
      },
      {
        title: 'Quota left',
        description:
          "Share of the day's calls of media/get that is left, for the account with the smallest share.",
        unit: 'percentunit',
        type: 'gauge',
        width: 4,
        lines: [[least('wma_quota_remaining_ratio'), '']],
        limits: [0.25, 0.1],
        noValue: 'not known',
      },
    ],
  },
  {
    title: 'Backlog and time left',
    panels: [
      {
        title: 'Pending by time left',
        description:
          'What comes near its deadline moves from the right of the legend to the left. It should all be in the last class.',
        unit: 'short',
        lines: [[shared('wma_backlog_time_left', ['left']), '{{left}}']],
        stacked: true,
      },
      {
        title: 'Pending by reason',
        description: 'Why items wait: queued (for a worker), running, retry, accountHeld, storeHeld.',
        unit: 'short',
        lines: [[shared('wma_backlog', ['reason']), '{{reason}}']],
        stacked: true,
      },
      {
        title: 'Rate, and rate needed',
        description:
          'While the rate is above what is needed, every pending item is archived before its deadline.',
        unit: 'ops',
        lines: [
          [rate('wma_archived_total'), 'archived'],
          [RATE_NEEDED, 'needed'],
        ],
      },
      {
        title: 'At risk over time',
        description: 'Pending items with less than six hours left. A rising line is an emergency.',
        unit: 'short',
        lines: [[shared('wma_at_risk'), 'at risk']],
      },
      {
        title: 'Deadline and age',
        description: 'Time left of the item nearest to its deadline, and age of the oldest pending item.',
        unit: 's',
        lines: [
          [`min (${samples('wma_tightest_expiry_seconds')})`, 'nearest deadline'],
          [`max (${samples('wma_oldest_pending_seconds')})`, 'oldest pending'],
        ],
      },
      {
        title: 'Dead letters',
        description:
          'Items that failed for good and were neither redriven nor erased, by errcode. docs/errcodes.md has the cures.',
        unit: 'short',
        type: 'bargauge',
        lines: [[shared('wma_dead_letters', ['errcode']), '{{errcode}}']],
        noValue: 'none',
      },
    ],
  },
  {
    title: 'Flow',
    panels: [
      {
        title: 'Received and archived',
        description: 'Media items a second. Archived follows received; a gap is the backlog.',
        unit: 'ops',
        lines: [
          [rate('wma_received_total'), 'received'],
          [rate('wma_archived_total'), 'archived'],
        ],
      },
      {
        title: 'Dead, expired, redriven',
        description:
          'Media items a second that failed for good, passed their deadline, or were tried again by request.',
        unit: 'ops',
        lines: [
          [rate('wma_dead_total'), 'dead'],
          [rate('wma_expired_total'), 'expired'],
          [rate('wma_redriven_total'), 'redriven'],
        ],
      },
      {
        title: 'Bytes archived',
        description: 'Bytes a second from WeChat to the store.',
        unit: 'Bps',
        lines: [[rate('wma_archived_bytes_total'), 'bytes']],
      },
      {
        title: 'In the chosen time',
        description: 'Media items of the time that the dashboard shows.',
        unit: 'short',
        type: 'stat',
        width: 24,
        lines: [
          [growth('wma_received_total'), 'received'],
          [growth('wma_archived_total'), 'archived'],
          [growth('wma_dead_total'), 'dead'],
          [growth('wma_expired_total'), 'expired'],
          [growth('wma_redriven_total'), 'redriven'],
        ],
      },
    ],
  },
  {
    title: 'Latency',
    panels: [
      {
        title: 'Time to archive',
        description: 'From the message of the user to the archived item.',
        unit: 's',
        lines: [
          [quantile(0.5, 'wma_time_to_archive_seconds'), P50],
          [quantile(0.95, 'wma_time_to_archive_seconds'), '95 %'],
          [quantile(0.99, 'wma_time_to_archive_seconds'), P99],
        ],
      },
      {
        title: 'Time left when archived',
        description: 'Slack: how far away the deadline was. The lowest line should be near three days.',
        unit: 's',
        lines: [
          [quantile(0.01, 'wma_expiry_slack_seconds'), '1 %'],
          [quantile(0.5, 'wma_expiry_slack_seconds'), P50],
        ],
      },
      {
        title: 'Download and store',
        description:
          "The two halves of an attempt: until WeChat's first bytes, and from there until the object is stored.",
        unit: 's',
        lines: [
          [quantile(0.5, 'wma_download_seconds'), `download ${P50}`],
          [quantile(0.99, 'wma_download_seconds'), `download ${P99}`],
          [quantile(0.5, 'wma_store_seconds'), `store ${P50}`],
          [quantile(0.99, 'wma_store_seconds'), `store ${P99}`],
        ],
      },
      {
        title: 'Time to archive, all items',
        description:
          'Each column is a moment, each cell the number of items that took so long: a second band is a group of items that waited.',
        unit: 's',
        type: 'heatmap',
        width: 24,
        lines: [
          [
            `sum by (le) (increase(${samples('wma_time_to_archive_seconds_bucket')}[$__rate_interval]))`,
            '{{le}}',
          ],
        ],
      },
    ],
  },
  {
    title: 'Attempts',
    panels: [
      {
        title: 'Failed attempts by errcode',
        description:
          "WeChat's errcodes; empty: no errcode, for example a broken connection or a failure of the store.",
        unit: 'ops',
        lines: [[rate('wma_failed_total', ['errcode']), 'errcode {{errcode}}']],
        stacked: true,
      },
      {
        title: 'Failed attempts by class',
        description: 'The class decides what happens next: docs/errcodes.md.',
        unit: 'ops',
        lines: [[rate('wma_failed_total', ['class']), '{{class}}']],
        stacked: true,
      },
      {
        title: 'Share of failed attempts',
        description:
          'Of all attempts. Items are retried until their deadline, so a share alone loses nothing.',
        unit: 'percentunit',
        lines: [
          [
            `${rate('wma_failed_total')}\n/\n(${rate('wma_failed_total')} + ${rate('wma_archived_total')})`,
            'failed',
          ],
        ],
      },
      {
        title: 'Workarounds',
        description:
          'Videos that were downloaded over http with the token in clear, and consumers that the watchdog reopened.',
        unit: 'ops',
        width: 12,
        lines: [
          [rate('wma_insecure_video_total'), 'video over http'],
          [rate('wma_consumer_restarts_total'), 'consumer restarts'],
        ],
      },
      {
        title: 'Skipped in customer service',
        description: 'Messages and lines of forwarded records that are not archived, by type and reason.',
        unit: 'ops',
        width: 12,
        lines: [[rate('wma_passed_over_total', ['type', 'why']), '{{type}}: {{why}}']],
      },
    ],
  },
];
