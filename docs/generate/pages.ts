/** All pages and parts of pages that are generated from tables of the program, in both languages. */
import { layersDiagram, layersTable, siblingsTable } from './architecture.ts';
import { auditActionsTable } from './audit-actions.ts';
import { checksTable } from './checks.ts';
import { cliPage } from './cli.ts';
import { clientTypes } from './client-types.ts';
import { configurationPage, envExample } from './configuration.ts';
import { errcodesPage } from './errcodes.ts';
import { grafanaDashboard } from './grafana/dashboard.ts';
import { metricsTable } from './metrics.ts';
import { problemsPage } from './problems.ts';
import { retriesPage } from './retries.ts';
import { simulatorPage } from './simulator.ts';
import { chineseCliPage } from './zh/cli.ts';
import { measuredParts } from './zh/performance.ts';
import { inChinese } from './zh/translate.ts';

/** Returns the text of each page, by its path. */
export const PAGES: Readonly<Record<string, () => string>> = {
  '.env.example': envExample,
  'deploy/grafana/wechat-media-archiver.json': grafanaDashboard,
  'docs/cli.md': cliPage,
  'docs/configuration.md': configurationPage,
  'docs/errcodes.md': () => errcodesPage('en'),
  'docs/problems.md': () => problemsPage('en'),
  'docs/retries.md': retriesPage,
  'docs/simulator.md': simulatorPage,
  'docs/zh/cli.md': chineseCliPage,
  'docs/zh/configuration.md': () => inChinese('configuration', configurationPage()),
  'docs/zh/errcodes.md': () => inChinese('errcodes', errcodesPage('zh')),
  'docs/zh/problems.md': () => problemsPage('zh'),
  'docs/zh/retries.md': () => inChinese('retries', retriesPage()),
  'docs/zh/simulator.md': () => inChinese('simulator', simulatorPage()),
  'src/producer/client/api-types.ts': clientTypes,
};

/** Returns the generated parts of pages that are written by hand, by the page's path and the part's name. */
export const PARTS: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'docs/architecture.md': { layers: layersDiagram, 'layer table': layersTable, siblings: siblingsTable },
  'docs/dead-letters.md': { 'audit actions': auditActionsTable },
  'docs/operations.md': { checks: () => checksTable('en'), metrics: metricsTable },
  'docs/zh/architecture.md': {
    layers: layersDiagram,
    'layer table': () => inChinese('layers', layersTable()),
    siblings: () => inChinese('siblings', siblingsTable()),
  },
  'docs/zh/dead-letters.md': { 'audit actions': () => inChinese('audit-actions', auditActionsTable()) },
  'docs/zh/operations.md': {
    checks: () => inChinese('checks', checksTable('zh')),
    metrics: () => inChinese('metrics', metricsTable()),
  },
  'docs/zh/performance.md': measuredParts(),
};

/** Returns a page with its generated parts replaced. */
export function withParts(page: string, parts: Readonly<Record<string, () => string>>): string {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const [start, end] = [`<!-- ${name}: written by docs/generate/main.ts -->\n`, `<!-- /${name} -->`];
    const between = new RegExp(`(?<=${start})[^]*?(?=${end})`);
    if (!between.test(text)) throw new Error(`the page has no place for the generated part ${name}`);
    return text.replace(between, () => `${part()}\n`);
  }, page);
}
