/** Writes the pages that are made from tables of the program: `node bin/run.js docs/generate.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cliPage } from '../src/cli/docs.ts';
import { configurationPage, envExample } from '../src/config/docs.ts';
import { metricsTable } from '../src/metrics-page.ts';
import { checksTable } from '../src/pipeline/checks/page.ts';
import { retriesPage } from '../src/pipeline/retries-page.ts';
import { simulatorPage } from '../src/simulator/docs.ts';
import { errcodesPage } from '../src/wechat/errcodes-page.ts';

const PAGES = {
  '.env.example': envExample,
  'docs/cli.md': cliPage,
  'docs/configuration.md': configurationPage,
  'docs/errcodes.md': errcodesPage,
  'docs/retries.md': retriesPage,
  'docs/simulator.md': simulatorPage,
};

for (const [path, page] of Object.entries(PAGES)) {
  writeFileSync(new URL(`../${path}`, import.meta.url), page());
  console.log(path);
}

/** Tables inside pages that are written by hand. */
const TABLES = {
  'docs/operations.md': { checks: checksTable, metrics: metricsTable },
};

for (const [path, tables] of Object.entries(TABLES)) {
  const file = new URL(`../${path}`, import.meta.url);
  let page = readFileSync(file, 'utf8');
  for (const [name, table] of Object.entries(tables)) {
    const [start, end] = [`<!-- ${name}: written by docs/generate.ts -->\n`, `<!-- /${name} -->`];
    const between = new RegExp(`(?<=${start})[^]*?(?=${end})`);
    page = page.replace(between, () => `${table()}\n`);
  }
  writeFileSync(file, page);
  console.log(path);
}
