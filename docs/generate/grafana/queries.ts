/** PromQL of the Grafana dashboard. `$archiver` is its variable; it matches an absent label too when it is "All". */

/** The samples of a metric that belong to the chosen installations. */
export const samples = (metric: string, ...matchers: readonly string[]): string =>
  `${metric}{${['archiver=~"$archiver"', ...matchers].join(', ')}}`;

const by = (labels: readonly string[]): string => (labels.length > 0 ? ` by (${labels.join(', ')})` : '');

/** The rate of a counter, of all processes together. */
export const rate = (
  metric: string,
  labels: readonly string[] = [],
  ...matchers: readonly string[]
): string => `sum${by(labels)} (rate(${samples(metric, ...matchers)}[$__rate_interval]))`;

/** How much a counter grew in the time that the dashboard shows. */
export const growth = (metric: string): string => `sum (increase(${samples(metric)}[$__range]))`;

/**
 * A gauge that every server reads from the catalogue, with all its labels: of the servers of an installation the largest
 * counts, and installations are added.
 */
export const shared = (
  metric: string,
  labels: readonly string[] = [],
  ...matchers: readonly string[]
): string =>
  `sum${by(labels)} (max by (${['archiver', ...labels].join(', ')}) (${samples(metric, ...matchers)}))`;

/** As {@link shared}, added over its labels too. */
export const sharedTotal = (
  metric: string,
  labels: readonly string[],
  ...matchers: readonly string[]
): string => `sum (${shared(metric, labels, ...matchers)})`;

/** The smallest over all; comparing with 0 leaves out NaN, which means "not known". */
export const least = (metric: string): string => `min (${samples(metric)} >= 0)`;

/** A gauge of each process. */
export const each = (metric: string): string => `max by (instance) (${samples(metric)})`;

/** The rate of a counter of each process. */
export const eachRate = (metric: string): string =>
  `sum by (instance) (rate(${samples(metric)}[$__rate_interval]))`;

export const quantile = (share: number, metric: string, labels: readonly string[] = []): string =>
  `histogram_quantile(${share}, ${rate(`${metric}_bucket`, ['le', ...labels])})`;

const within = (hours: number, classes: readonly string[]): string =>
  `${sharedTotal('wma_backlog_time_left', ['left'], `left=~"${classes.join('|')}"`)} / ${hours * 3600}`;

/** The least rate at which every pending item is archived before its deadline, as in deploy/prometheus/rules.yml. */
export const RATE_NEEDED = [
  'max (',
  [
    within(6, ['overdue', 'under1h', 'under6h']),
    within(24, ['overdue', 'under1h', 'under6h', 'under24h']),
    within(72, ['.+']),
  ]
    .map((one, index) => `  label_replace(${one}, "within", "${index}", "", "")`)
    .join('\n  or\n'),
  ')',
].join('\n');
