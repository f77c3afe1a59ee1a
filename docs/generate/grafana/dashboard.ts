/** Writes deploy/grafana/wechat-media-archiver.json, a dashboard for Grafana 10 and newer, from the list of panels. */
import { ITEM_ROWS } from './item-panels.ts';
import type { Panel } from './panel.ts';
import { SERVICE_ROWS } from './service-panels.ts';

const SCHEMA_VERSION = 38;
const WIDTH = 24;
const HEIGHT = 8;
const STAT_HEIGHT = 4;
const DATASOURCE = { type: 'prometheus', uid: `$\{datasource}` };

/** Grafana shows all panels that share a line with one height. */
const heightOf = (panels: readonly Panel[]) =>
  panels.every(({ type }) => type === 'stat' || type === 'gauge') ? STAT_HEIGHT : HEIGHT;

function thresholdsOf({ limits }: Panel) {
  if (!limits) return { mode: 'absolute', steps: [{ color: 'green', value: null }] };
  const [orange, red] = limits;
  const steps =
    orange < red || orange === red
      ? [
          { color: 'green', value: null },
          ...(orange < red ? [{ color: 'orange', value: orange }] : []),
          { color: 'red', value: red },
        ]
      : [
          { color: 'red', value: null },
          { color: 'orange', value: red },
          { color: 'green', value: orange },
        ];
  return { mode: 'absolute', steps };
}

function targetsOf({ lines, type = 'timeseries' }: Panel) {
  const isInstant = type !== 'timeseries' && type !== 'heatmap';
  return lines.map(([expr, legend], index) => ({
    refId: String.fromCharCode(65 + index),
    datasource: DATASOURCE,
    editorMode: 'code',
    expr,
    legendFormat: legend,
    range: !isInstant,
    instant: isInstant,
    ...(type === 'table' ? { format: 'table' } : {}),
    ...(type === 'heatmap' ? { format: 'heatmap' } : {}),
  }));
}

const REDUCE = { calcs: ['lastNotNull'], fields: '', values: false };

const OPTIONS = {
  timeseries: {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  stat: {
    colorMode: 'value',
    graphMode: 'none',
    justifyMode: 'auto',
    orientation: 'auto',
    reduceOptions: REDUCE,
    textMode: 'auto',
  },
  gauge: {
    orientation: 'auto',
    reduceOptions: REDUCE,
    showThresholdLabels: false,
    showThresholdMarkers: true,
  },
  bargauge: {
    displayMode: 'basic',
    orientation: 'horizontal',
    reduceOptions: REDUCE,
    showUnfilled: true,
    valueMode: 'color',
  },
  table: { cellHeight: 'sm', showHeader: true, footer: { show: false, reducer: ['sum'], fields: '' } },
  heatmap: {
    calculate: false,
    cellGap: 1,
    color: {
      mode: 'scheme',
      scheme: 'Oranges',
      steps: 64,
      exponent: 0.5,
      fill: 'dark-orange',
      reverse: false,
    },
    yAxis: { axisPlacement: 'left', unit: 's', reverse: false },
    legend: { show: true },
    tooltip: { show: true, yHistogram: false },
    cellValues: { unit: 'short' },
    filterValues: { le: 1e-9 },
    rowsFrame: { layout: 'auto' },
    exemplars: { color: 'rgba(255,0,255,0.7)' },
    showValue: 'never',
  },
} as const;

const TIMESERIES = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  showPoints: 'never',
  spanNulls: false,
};

function panelOf(panel: Panel, id: number, gridPos: { x: number; y: number; w: number; h: number }) {
  const { title, description, unit, type = 'timeseries', stacked = false, limits, noValue } = panel;
  const isGauge = type === 'gauge';
  return {
    id,
    type,
    title,
    description,
    datasource: DATASOURCE,
    gridPos,
    targets: targetsOf(panel),
    fieldConfig: {
      defaults: {
        unit,
        ...(noValue === undefined ? {} : { noValue }),
        color: {
          mode: limits ? 'thresholds' : type === 'timeseries' ? 'palette-classic' : 'fixed',
          fixedColor: 'blue',
        },
        thresholds: thresholdsOf(panel),
        ...(isGauge ? { min: 0, max: 1 } : {}),
        ...(type === 'timeseries'
          ? {
              custom: {
                ...TIMESERIES,
                axisSoftMin: 0,
                fillOpacity: stacked ? 30 : 5,
                stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
              },
            }
          : {}),
      },
      overrides: [],
    },
    options: OPTIONS[type],
    ...(type === 'table'
      ? {
          transformations: [
            { id: 'organize', options: { excludeByName: { Time: true }, indexByName: {}, renameByName: {} } },
          ],
        }
      : {}),
  };
}

/** Panels in their order, each line filled up to the width of the page. */
function linesOf(panels: readonly Panel[]): Panel[][] {
  const lines: Panel[][] = [];
  let used = WIDTH;
  for (const panel of panels) {
    const { width = 8 } = panel;
    if (used + width > WIDTH) {
      lines.push([]);
      used = 0;
    }
    lines.at(-1)!.push(panel);
    used += width;
  }
  return lines;
}

function allPanels(): object[] {
  let id = 0;
  let y = 0;
  const panels: object[] = [];
  for (const row of [...ITEM_ROWS, ...SERVICE_ROWS]) {
    id++;
    const gridPos = { x: 0, y, w: WIDTH, h: 1 };
    panels.push({ id, type: 'row', title: row.title, collapsed: false, gridPos, panels: [] });
    y += 1;
    for (const line of linesOf(row.panels)) {
      const h = heightOf(line);
      let x = 0;
      for (const panel of line) {
        const { width: w = 8 } = panel;
        id++;
        panels.push(panelOf(panel, id, { x, y, w, h }));
        x += w;
      }
      y += h;
    }
  }
  return panels;
}

const VARIABLES = [
  {
    name: 'datasource',
    type: 'datasource',
    label: 'Prometheus',
    query: 'prometheus',
    refresh: 1,
    regex: '',
    hide: 0,
    includeAll: false,
    multi: false,
    options: [],
    current: {},
  },
  {
    name: 'archiver',
    type: 'query',
    label: 'Archiver',
    description: 'Installations, by the label that prometheus.yml sets.',
    datasource: DATASOURCE,
    definition: 'label_values(wma_check_failing, archiver)',
    query: { query: 'label_values(wma_check_failing, archiver)', refId: 'archiver' },
    refresh: 2,
    sort: 1,
    regex: '',
    hide: 0,
    includeAll: true,
    // Matches targets without the label too.
    allValue: '.*',
    multi: true,
    options: [],
    current: { selected: true, text: ['All'], value: ['$__all'] },
  },
];

export function grafanaDashboard(): string {
  const dashboard = {
    uid: 'wechat-media-archiver',
    title: 'wechat-media-archiver',
    description:
      'What the archiver of WeChat media does, and what needs an operator. docs/observability.md explains it.',
    tags: ['wechat-media-archiver'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    id: null,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timepicker: {},
    timezone: '',
    weekStart: '',
    fiscalYearStartMonth: 0,
    liveNow: false,
    links: [],
    annotations: {
      list: [
        {
          name: 'Annotations & Alerts',
          type: 'dashboard',
          builtIn: 1,
          enable: true,
          hide: true,
          iconColor: 'rgba(0, 211, 255, 1)',
          datasource: { type: 'grafana', uid: '-- Grafana --' },
        },
      ],
    },
    templating: { list: VARIABLES },
    panels: allPanels(),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
