/** Reads the feed by long polls with nothing but fetch, as docs/events.md says, and stores its cursor after each page. */
import { setTimeout as wait } from 'node:timers/promises';
import { createCursorFile, openArrivals, readSettings } from './arrivals.ts';

interface Page {
  readonly items: readonly Parameters<ReturnType<typeof openArrivals>['note']>[0][];
  readonly nextCursor: string;
}

const REQUEST_LIMIT_MS = 60_000;
const PAUSE_MS = 500;

const settings = readSettings();
const arrivals = openArrivals(settings);
const cursor = createCursorFile(settings);
let after = cursor.read();

async function nextPage(): Promise<Page | undefined> {
  const query = new URLSearchParams({ wait: '20s', limit: '500', ...(after ? { after } : {}) });
  const response = await fetch(`${settings.url}/v1/events?${query}`, {
    headers: { authorization: `Bearer ${settings.apiKey}` },
    signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
  }).catch(() => undefined);
  if (response?.ok) return (await response.json().catch(() => undefined)) as Page | undefined;
  const problem = (await response?.text().catch(() => '')) ?? '';
  if (response && response.status < 500 && response.status !== 429)
    throw new Error(`status ${response.status}: ${problem}`);
  return undefined;
}

for (;;) {
  const page = await nextPage();
  if (!page) {
    await wait(PAUSE_MS);
    continue;
  }
  for (const event of page.items) arrivals.note(event);
  after = page.nextCursor;
  cursor.write(after);
}
