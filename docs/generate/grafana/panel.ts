/** What a panel of the Grafana dashboard is made of. */

export interface Panel {
  readonly title: string;
  readonly description: string;
  /** An id of Grafana's units. */
  readonly unit: string;
  /** Default: timeseries. */
  readonly type?: 'timeseries' | 'stat' | 'table' | 'heatmap' | 'gauge' | 'bargauge';
  /** Of 24. Default: 8. */
  readonly width?: number;
  /** The query and the legend of each line. */
  readonly lines: readonly (readonly [expr: string, legend: string])[];
  readonly stacked?: boolean;
  /** Values from which on it is orange and red; a descending pair means that low values are bad. */
  readonly limits?: readonly [orange: number, red: number];
  /** What is shown instead of "No data". */
  readonly noValue?: string;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** Legends. */
export const P50 = 'median';
export const P99 = '99 %';
