/** A server that keeps what it is sent and answers as told. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: object;
  readonly text?: string;
  /** No answer: the connection breaks off. */
  readonly cut?: boolean;
}

export interface Received {
  readonly path: string;
  readonly body: unknown;
}

/** The last of `answers` is given again and again. */
export async function openReceiver(t: Pick<TestContext, 'after'>, answers: readonly Answer[]) {
  const requests: Received[] = [];
  let current = answers;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      const answer = current[0] ?? {};
      if (current.length > 1) current = current.slice(1);
      requests.push({ path: request.url ?? '', body: JSON.parse(text) });
      if (answer.cut) request.socket.destroy();
      else
        response
          .writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers })
          .end(answer.text ?? (answer.body && JSON.stringify(answer.body)));
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
    answer: (...next: Answer[]) => {
      current = next;
    },
  };
}
