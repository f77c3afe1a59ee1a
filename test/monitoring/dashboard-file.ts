/** deploy/grafana/wechat-media-archiver.json as data. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './rules-file.ts';

export interface GridPosition {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface DashboardPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: GridPosition;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: { readonly uid: string };
  }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

export interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly id: null;
  readonly panels: readonly DashboardPanel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
}

export const DASHBOARD_FILE = 'deploy/grafana/wechat-media-archiver.json';
export const dashboard = JSON.parse(readFileSync(join(ROOT, DASHBOARD_FILE), 'utf8')) as Dashboard;
export const panels = dashboard.panels.filter(({ type }) => type !== 'row');
/** Each expression, as Grafana sends it: with a label of every installation, and the windows of a short time. */
export const expressions: readonly { readonly panel: string; readonly expr: string }[] = panels.flatMap(
  ({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expr: expr
        .replaceAll('$archiver', '.*')
        .replaceAll('$__rate_interval', '30s')
        .replaceAll('$__range', '10m'),
    })),
);
