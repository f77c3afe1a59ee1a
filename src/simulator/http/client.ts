/** One request to the service under test. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

const ANSWER_BYTES_MAX = 65_536;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request on a connection of its own; rejects on failure, timeout, abort or an endless answer. */
export function knock(
  url: URL,
  { body, contentType }: { body?: string; contentType?: string },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
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
      async (incoming) => {
        try {
          let text = '';
          incoming.setEncoding('utf8');
          for await (const piece of incoming) {
            text += piece;
            if (text.length > ANSWER_BYTES_MAX) throw new Error('the answer does not end');
          }
          resolve({ status: incoming.statusCode ?? 0, body: text });
        } catch (error) {
          reject(error);
        }
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
