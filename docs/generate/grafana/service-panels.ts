/** Panels about the parts that the service consists of: accounts, HTTP, queue, processes, events. */
import { P50, P99, type Row } from './panel.ts';
import { each, eachRate, least, quantile, rate, samples, shared } from './queries.ts';

export const SERVICE_ROWS: readonly Row[] = [
  {
    title: 'Accounts',
    panels: [
      {
        title: 'Holds by reason',
        description: 'Accounts on hold. The page of accounts names them and says what to do.',
        unit: 'short',
        lines: [[shared('wma_account_held', ['reason']), '{{reason}}']],
        stacked: true,
      },
      {
        title: 'Quota',
        description:
          'Calls of media/get left today for the account with the fewest. It is full again at midnight in Beijing.',
        unit: 'short',
        lines: [[least('wma_quota_remaining'), 'calls left']],
      },
      {
        title: 'Tokens',
        description: 'Time left of the stored access token that expires first. It is renewed before it ends.',
        unit: 's',
        lines: [[`min (${samples('wma_token_expires_in_seconds')})`, 'time left']],
      },
    ],
  },
  {
    title: 'Callbacks and HTTP',
    panels: [
      {
        title: 'Callbacks by outcome',
        description:
          'media: accepted. not_written: neither catalogue nor spool took it, so WeChat sends it again.',
        unit: 'reqps',
        lines: [[rate('wma_callbacks_total', ['outcome']), '{{outcome}}']],
        stacked: true,
      },
      {
        title: 'Time of callbacks',
        description: 'WeChat waits for five seconds.',
        unit: 's',
        lines: [
          [
            `histogram_quantile(0.5, ${rate('wma_http_request_seconds_bucket', ['le'], 'route="/wechat/:account"')})`,
            P50,
          ],
          [
            `histogram_quantile(0.99, ${rate('wma_http_request_seconds_bucket', ['le'], 'route="/wechat/:account"')})`,
            P99,
          ],
        ],
      },
      {
        title: 'Spool',
        description:
          'Callbacks on the disk of the servers, because the catalogue cannot be written. Normally 0.',
        unit: 'short',
        lines: [
          [`sum (${samples('wma_spool_records')})`, 'records'],
          [rate('wma_spooled_total'), 'records a second'],
        ],
      },
      {
        title: 'Requests by status',
        description: 'All routes, without /metrics and health checks.',
        unit: 'reqps',
        lines: [
          [rate('wma_http_requests_total', ['status'], 'route!~"/metrics|/livez|/readyz"'), '{{status}}'],
        ],
        stacked: true,
      },
      {
        title: 'Slowest routes',
        description: '99th percentile of the five slowest routes. Long polls and streams wait on purpose.',
        unit: 's',
        lines: [[`topk(5, ${quantile(0.99, 'wma_http_request_seconds', ['route'])} >= 0)`, '{{route}}']],
      },
      {
        title: 'Forwarded callbacks',
        description: 'Callbacks passed on to the handler of upstreamUrl, by outcome.',
        unit: 'reqps',
        lines: [[rate('wma_upstream_total', ['outcome']), '{{outcome}}']],
      },
      {
        title: 'Spool bytes',
        description: 'SPOOL_BYTES bounds it for each server.',
        unit: 'bytes',
        width: 12,
        lines: [[each('wma_spool_bytes'), '{{instance}}']],
      },
      {
        title: 'Previews',
        description: 'Previews of pictures and voices a second, by outcome.',
        unit: 'reqps',
        width: 6,
        lines: [[rate('wma_previews_total', ['outcome']), '{{outcome}}']],
      },
      {
        title: 'Time of previews',
        description: 'With the wait for a converter and the reading of the object.',
        unit: 's',
        width: 6,
        lines: [
          [quantile(0.5, 'wma_preview_seconds'), P50],
          [quantile(0.99, 'wma_preview_seconds'), P99],
        ],
      },
    ],
  },
  {
    title: 'Queue and workers',
    panels: [
      {
        title: 'Jobs in the queue',
        description: 'The queue is the working set and stays short; the backlog is in the catalogue.',
        unit: 'short',
        lines: [[shared('wma_queue_jobs', ['state']), '{{state}}']],
        stacked: true,
      },
      {
        title: 'Workers, and work for more',
        description:
          'Live workers, and items that a further worker could take now: what an autoscaler looks at.',
        unit: 'short',
        lines: [
          [shared('wma_workers'), 'workers'],
          [shared('wma_due'), 'due'],
        ],
      },
      {
        title: 'Errors of background loops',
        description: 'Each is retried, and the log has the reason.',
        unit: 'ops',
        lines: [[rate('wma_background_errors_total', ['loop']), '{{loop}}']],
        stacked: true,
      },
      {
        title: 'Failing loops',
        description: 'Loops that failed at least three times in a row, for 30 seconds or longer.',
        unit: 'short',
        width: 12,
        lines: [[`sum by (loop) (${samples('wma_background_loop_failing')})`, '{{loop}}']],
      },
      {
        title: 'Messages to ALERT_URL',
        description: 'By outcome: sent, failed.',
        unit: 'ops',
        width: 12,
        lines: [[rate('wma_alerts_total', ['outcome']), '{{outcome}}']],
      },
    ],
  },
  {
    title: 'Processes',
    panels: [
      {
        title: 'Memory',
        description: 'Resident memory of each process.',
        unit: 'bytes',
        lines: [[each('wma_memory_bytes'), '{{instance}}']],
      },
      {
        title: 'Memory budget',
        description: 'Bytes of media items that attempts and previews have reserved, of BYTE_BUDGET.',
        unit: 'bytes',
        lines: [
          [each('wma_byte_budget_reserved_bytes'), '{{instance}}'],
          [`max (${samples('wma_byte_budget_bytes')})`, 'BYTE_BUDGET'],
        ],
      },
      {
        title: 'Waiting for memory',
        description:
          'Attempts and previews that wait for bytes of the budget. Often above 0: raise BYTE_BUDGET or add workers.',
        unit: 'short',
        lines: [[each('wma_byte_budget_waiting'), '{{instance}}']],
      },
      {
        title: 'Processor',
        description: 'Cores that each process uses, with all its threads.',
        unit: 'short',
        lines: [[eachRate('wma_cpu_seconds_total'), '{{instance}}']],
      },
      {
        title: 'Event loop',
        description:
          'Share of the time in which the event loop is busy. Near 1 the process is at its limit: start another.',
        unit: 'percentunit',
        lines: [[eachRate('wma_event_loop_busy_seconds_total'), '{{instance}}']],
      },
      {
        title: 'Preview cache',
        description: 'PREVIEW_CACHE bounds it for each server.',
        unit: 'bytes',
        lines: [[each('wma_preview_cache_bytes'), '{{instance}}']],
      },
      {
        title: 'Versions',
        description: 'Processes by program and version: two versions are seen while a new one is rolled out.',
        unit: 'short',
        type: 'table',
        width: 24,
        lines: [[`count by (program, version) (${samples('wma_build_info')})`, '{{program}} {{version}}']],
      },
    ],
  },
  {
    title: 'Events and webhooks',
    panels: [
      {
        title: 'Events',
        description: 'Events a second, by type.',
        unit: 'ops',
        lines: [[rate('wma_events_total', ['type']), '{{type}}']],
        stacked: true,
      },
      {
        title: 'Time to deliver an event',
        description: 'From the change to the feed. It should stay below a second.',
        unit: 's',
        lines: [
          [quantile(0.5, 'wma_event_delivery_seconds'), P50],
          [quantile(0.99, 'wma_event_delivery_seconds'), P99],
        ],
      },
      {
        title: 'Clients of the feed',
        description: 'Clients that wait for events now, by long poll or stream.',
        unit: 'short',
        lines: [[`sum (${samples('wma_event_readers')})`, 'waiting']],
      },
      {
        title: 'Deliveries to webhooks',
        description: 'Deliveries a second, by outcome.',
        unit: 'ops',
        width: 12,
        lines: [[rate('wma_webhook_deliveries_total', ['outcome']), '{{outcome}}']],
        stacked: true,
      },
      {
        title: 'Waiting deliveries',
        description:
          'Deliveries that are not done yet. An endpoint that fails keeps its own waiting, and no others.',
        unit: 'short',
        width: 12,
        lines: [[shared('wma_webhook_pending'), 'waiting']],
      },
    ],
  },
];
