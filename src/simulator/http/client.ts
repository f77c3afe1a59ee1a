/** The HTTP client that sends callbacks and handshakes to the service under test. */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

const BODY_BYTES_MAX = 65_536;

export interface HttpResponse {
  readonly status: number;
  readonly body: string;
}

/**
 * Sends one request on a connection of its own: a POST where there is a body, else a GET. Rejects on failure, timeout,
 * abort, or a response body over 64 KiB.
 */
export function sendRequest(
  url: URL,
  { body, contentType }: { body?: string; contentType?: string },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: body === undefined ? 'GET' : 'POST',
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        headers: {
          'User-Agent': 'Mozilla/4.0',
          ...(body !== undefined && {
            'Content-Type': contentType,
            'Content-Length': Buffer.byteLength(body),
          }),
        },
      },
      (incoming) => void readResponse(incoming).then(resolve, reject),
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function readResponse(incoming: IncomingMessage): Promise<HttpResponse> {
  let body = '';
  incoming.setEncoding('utf8');
  for await (const chunk of incoming) {
    body += chunk;
    if (body.length > BODY_BYTES_MAX) throw new Error('the response body is too long');
  }
  return { status: incoming.statusCode ?? 0, body };
}
