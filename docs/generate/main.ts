/** Writes the pages that are generated from tables of the program: `node bin/run.js docs/generate/main.ts`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { layersDiagram, layersTable, siblingsTable } from './architecture.ts';
import { checksTable } from './checks.ts';
import { cliPage } from './cli.ts';
import { configurationPage, envExample } from './configuration.ts';
import { errcodesPage } from './errcodes.ts';
import { metricsTable } from './metrics.ts';
import { retriesPage } from './retries.ts';
import { simulatorPage } from './simulator.ts';

const PAGES = {
  '.env.example': envExample,
  'docs/cli.md': cliPage,
  'docs/configuration.md': configurationPage,
  'docs/errcodes.md': errcodesPage,
  'docs/retries.md': retriesPage,
  'docs/simulator.md': simulatorPage,
};

/** Writes a page and prints its path, if it differs from the file. */
function write(path: string, page: string): void {
  const file = new URL(`../../${path}`, import.meta.url);
  if (existsSync(file) && readFileSync(file, 'utf8') === page) return;
  writeFileSync(file, page);
  console.log(path);
}

for (const [path, page] of Object.entries(PAGES)) write(path, page());

/** The generated tables inside pages that are written by hand. */
const TABLES = {
  'docs/architecture.md': { layers: layersDiagram, 'layer table': layersTable, siblings: siblingsTable },
  'docs/operations.md': { checks: checksTable, metrics: metricsTable },
};

for (const [path, tables] of Object.entries(TABLES)) {
  const file = new URL(`../../${path}`, import.meta.url);
  let page = readFileSync(file, 'utf8');
  for (const [name, table] of Object.entries(tables)) {
    const [start, end] = [`<!-- ${name}: written by docs/generate/main.ts -->\n`, `<!-- /${name} -->`];
    const between = new RegExp(`(?<=${start})[^]*?(?=${end})`);
    page = page.replace(between, () => `${table()}\n`);
  }
  write(path, page);
}
