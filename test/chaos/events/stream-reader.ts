/** Reads the feed as a stream with the client of the npm package, and stores its cursor after each event. */
import { createClient } from '../../../src/producer/client/client.ts';
import { createCursorFile, openArrivals, readSettings } from './arrivals.ts';

const settings = readSettings();
const client = createClient({ url: settings.url, key: settings.apiKey });
const arrivals = openArrivals(settings);
const cursor = createCursorFile(settings);

const after = cursor.read();
for await (const event of client.events({ ...(after ? { after } : {}), onRetry: () => undefined })) {
  arrivals.note(event);
  cursor.write(event.cursor);
}
