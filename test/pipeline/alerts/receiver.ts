/** A server that keeps the requests it gets and sends canned responses. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface CannedResponse {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: object;
  readonly text?: string;
  /** No response: the connection is cut. */
  readonly cut?: boolean;
}

export interface Received {
  readonly path: string;
  readonly body: unknown;
}

/** The last of `responses` is sent repeatedly. */
export async function openReceiver(t: Pick<TestContext, 'after'>, responses: readonly CannedResponse[]) {
  const requests: Received[] = [];
  let current = responses;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      const canned = current[0] ?? {};
      if (current.length > 1) current = current.slice(1);
      requests.push({ path: request.url ?? '', body: JSON.parse(text) });
      if (canned.cut) request.socket.destroy();
      else
        response
          .writeHead(canned.status ?? 200, { 'content-type': 'application/json', ...canned.headers })
          .end(canned.text ?? (canned.body && JSON.stringify(canned.body)));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: requests as readonly Received[],
    respondWith: (...next: CannedResponse[]) => {
      current = next;
    },
  };
}
