/** Writes the pages that are generated from tables of the program: `node bin/run.js docs/generate/main.ts`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { OPENAPI_PATH, openApiPage } from './openapi.ts';
import { PAGES, PARTS, withParts } from './pages.ts';

/** Writes a page and prints its path, if it differs from the file. */
function write(path: string, makePage: (before: string) => string): void {
  const file = new URL(`../../${path}`, import.meta.url);
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  try {
    const page = makePage(before);
    if (page === before) return;
    writeFileSync(file, page);
    console.log(path);
  } catch (error) {
    // The other pages are written nevertheless, so that one missing translation does not hide the next.
    console.error(`${path}: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}

// First, because the page of problems is made from it.
const openApi = await openApiPage();
write(OPENAPI_PATH, () => openApi);
for (const [path, page] of Object.entries(PAGES)) write(path, () => page());
for (const [path, parts] of Object.entries(PARTS)) write(path, (before) => withParts(before, parts));
