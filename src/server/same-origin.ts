/** Whether a browser sends a request on behalf of somebody else's page. */
import type { FastifyRequest } from 'fastify';

type HeadersOnly = Pick<FastifyRequest, 'headers'>;

const hostOf = (url: string | undefined): string | undefined =>
  url && URL.canParse(url) ? new URL(url).host : undefined;

/**
 * True where the Origin a browser gives is none of the names this server goes by: Host, what a proxy says it was, or
 * PUBLIC_URL. A page cannot set these headers without asking first (CORS), and is never allowed to. Without an Origin
 * it is no browser's cross-origin request.
 */
export function isForeign(request: HeadersOnly, publicUrl: string | undefined): boolean {
  const { origin, host } = request.headers;
  if (request.headers['sec-fetch-site'] === 'same-origin' || origin === undefined) return false;
  const own = [host, request.headers['x-forwarded-host'], hostOf(publicUrl)];
  const from = hostOf(origin);
  return from === undefined || !own.includes(from);
}

/** Whether the browser speaks TLS, to us or to the proxy before us: only then may a cookie insist on it. */
export function isOverTls(request: HeadersOnly, publicUrl: string | undefined): boolean {
  if (request.headers['x-forwarded-proto'] === 'https') return true;
  return (publicUrl?.startsWith('https:') ?? false) && request.headers.host === hostOf(publicUrl);
}
