/** The HTTP client for the handler of `upstreamUrl`. Forwards a callback unchanged and returns the reply unchanged. */
import type { IncomingHttpHeaders } from 'node:http';
import { Agent } from 'undici';
import { TLS_PLACES, tlsSentence } from '../../tls-failures.ts';

export interface UpstreamReply {
  readonly status: number;
  readonly contentType: string | undefined;
  /** Set only if the handler compresses its reply although the request did not allow it. */
  readonly contentEncoding: string | undefined;
  readonly body: Buffer;
}

/**
 * The handler did not reply in time, closed the connection, or replied with more than a megabyte. The message contains
 * no part of the URL.
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
}

export interface Upstream {
  /** Forwards a callback. Does not follow redirects. Throws {@link UpstreamError}, also when the signal aborts. */
  post(
    upstreamUrl: string,
    callback: { query: string; headers: IncomingHttpHeaders; body: Buffer },
    signal: AbortSignal,
  ): Promise<UpstreamReply>;
  close(): Promise<void>;
}

const REPLY_BYTES = 1024 * 1024;
const CONNECT_MS = 4_000;
/** The maximum for each handler. */
const CONNECTIONS = 64;
/** While a handler hangs, the callbacks of 4.5 s wait for it. This limit bounds the memory that they use. */
const IN_FLIGHT_LIMIT = 256;

/** Hop-by-hop headers, headers that we set ourselves, and headers that request encodings which WeChat cannot read. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'expect',
  'accept-encoding',
]);

function forwardedHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? '').toLowerCase().split(/\s*,\s*/));
  const passed = Object.entries(headers).filter(
    (header): header is [string, string | string[]] =>
      header[1] !== undefined && !NOT_FORWARDED.has(header[0]) && !named.has(header[0]),
  );
  return Object.fromEntries(passed);
}

/**
 * Returns the path with both queries. WeChat's query is copied literally, because parsing and serializing could change
 * an escape.
 */
export function pathOf(upstreamUrl: URL, query: string): string {
  const queries = [upstreamUrl.search.slice(1), query].filter((part) => part !== '');
  return upstreamUrl.pathname + (queries.length > 0 ? `?${queries.join('&')}` : '');
}

const first = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value);

export function createUpstream(): Upstream {
  // undici closes idle connections before Node's own servers do, which is after 5 s.
  const agent = new Agent({
    connections: CONNECTIONS,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: CONNECT_MS },
  });
  let inFlight = 0;

  async function exchange(
    upstreamUrl: string,
    { query, headers, body }: Parameters<Upstream['post']>[1],
    signal: AbortSignal,
  ): Promise<UpstreamReply> {
    const url = new URL(upstreamUrl);
    const reply = await agent.request({
      origin: url.origin,
      path: pathOf(url, query),
      method: 'POST',
      headers: forwardedHeaders(headers),
      body,
      signal,
    });
    // An abandoned reply emits an error; without a listener it would end the process.
    reply.body.on('error', () => {});
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    for await (const chunk of reply.body as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > REPLY_BYTES) throw new UpstreamError(`replied with more than ${REPLY_BYTES} bytes`);
      chunks.push(chunk);
    }
    if (reply.statusCode > 599) throw new UpstreamError('replied with an invalid HTTP status');
    return {
      status: reply.statusCode,
      contentType: first(reply.headers['content-type']),
      contentEncoding: first(reply.headers['content-encoding']),
      body: Buffer.concat(chunks),
    };
  }

  return {
    post: async (upstreamUrl, callback, signal) => {
      if (inFlight >= IN_FLIGHT_LIMIT) throw new UpstreamError(`has ${inFlight} replies outstanding already`);
      inFlight++;
      try {
        return await exchange(upstreamUrl, callback, signal);
      } catch (error) {
        if (error instanceof UpstreamError) throw error;
        if (signal.aborted) throw new UpstreamError('did not reply in time');
        // Only the code is used: messages may quote the address, which may contain a key.
        const { code = 'connection closed' } = error as { code?: string };
        throw new UpstreamError(`did not reply (${tlsSentence(error, TLS_PLACES.upstream) ?? code})`);
      } finally {
        inFlight--;
      }
    },
    close: () => agent.destroy(),
  };
}
