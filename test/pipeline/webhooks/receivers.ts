/** A receiver of webhooks that verifies every request with a package that we did not write, and fails on request. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

export interface ReceivedWebhook {
  readonly id: string;
  readonly path: string;
  readonly body: string;
  readonly headers: Record<string, string>;
  /** Whether its signature was accepted. */
  readonly isVerified: boolean;
  readonly event: { id: string; type: string; sequence: number; data: Record<string, unknown> };
}

export type Respond = (response: ServerResponse, request: IncomingMessage) => void;

export const ok: Respond = (response) => void response.writeHead(204).end();

/** `secret` is read for each request. */
export async function openWebhookReceiver(
  t: Pick<TestContext, 'after'>,
  secretOf: () => string,
  first: Respond = ok,
) {
  const received: ReceivedWebhook[] = [];
  const waiting = new Set<() => void>();
  let respond = first;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      received.push({
        id: String(request.headers['webhook-id']),
        path: request.url ?? '',
        body: text,
        headers: request.headers as Record<string, string>,
        isVerified: isAccepted(secretOf(), text, request.headers as Record<string, string>),
        event: JSON.parse(text),
      });
      for (const wake of waiting) wake();
      respond(response, request);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=not-for-logs`,
    received: received as readonly ReceivedWebhook[],
    respondWith: (next: Respond) => {
      respond = next;
    },
    /** Resolves when the condition holds, which is checked at each request. */
    until: async (condition: () => boolean): Promise<void> => {
      if (condition()) return;
      const signal = AbortSignal.timeout(20_000);
      await new Promise<void>((resolve, reject) => {
        const wake = () => {
          if (!condition()) return;
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener('abort', () => reject(new Error(`only ${received.length} webhooks arrived`)));
      });
    },
  };
}

/** Whether the package accepts a request. Its answer to a changed one is tested too. */
export function isAccepted(secret: string, body: string, headers: Record<string, string>): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}
