/** A receiver of webhooks as a process of its own. It verifies each request with a package that we did not write. */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { openArrivals, readSettings, refusedFile } from './arrivals.ts';

const settings = readSettings();
const { port, secret } = settings.receivers[settings.who]!;
const webhook = new Webhook(secret);
const arrivals = openArrivals(settings);

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('error', () => undefined);
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    let event: Parameters<typeof arrivals.note>[0];
    try {
      const body = Buffer.concat(chunks).toString('utf8');
      event = webhook.verify(body, request.headers as Record<string, string>) as typeof event;
    } catch (error) {
      appendFileSync(
        refusedFile(settings.folder, settings.who),
        `${request.method} ${request.url} ${error}\n`,
      );
      response.writeHead(400).end();
      return;
    }
    arrivals.note(event);
    response.writeHead(204).end();
  });
});
server.listen(port, '127.0.0.1');
