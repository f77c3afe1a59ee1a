/** Writes the pages that are made from tables of the program: `node bin/run.js docs/generate.ts`. */
import { writeFileSync } from 'node:fs';
import { configurationPage, envExample } from '../src/config/docs.ts';
import { simulatorPage } from '../src/simulator/docs.ts';
import { errcodesPage } from '../src/wechat/errcodes-page.ts';

const PAGES = {
  '.env.example': envExample,
  'docs/configuration.md': configurationPage,
  'docs/errcodes.md': errcodesPage,
  'docs/simulator.md': simulatorPage,
};

for (const [path, page] of Object.entries(PAGES)) {
  writeFileSync(new URL(`../${path}`, import.meta.url), page());
  console.log(path);
}
