/** Whether a browser sends a request on behalf of somebody else's page. */
import type { FastifyRequest } from 'fastify';

type HeadersOnly = Pick<FastifyRequest, 'headers'>;

const hostOf = (url: string | undefined): string | undefined =>
  url && URL.canParse(url) ? new URL(url).host : undefined;

/**
 * True where the Origin a browser gives is none of the names this server goes by: Host, what a proxy says it was, or
 * PUBLIC_URL. A page cannot set these headers without asking first (CORS), and is never allowed to. Where there is no
 * Origin, Sec-Fetch-Site and Referer count; without all of them it is no browser.
 */
export function isForeign(request: HeadersOnly, publicUrl: string | undefined): boolean {
  const { origin, host, referer } = request.headers;
  const site = request.headers['sec-fetch-site'];
  if (site === 'same-origin') return false;
  if (site === 'cross-site' || site === 'same-site') return !isOwn(origin);
  return (origin ?? referer) !== undefined && !isOwn(origin ?? referer);

  function isOwn(from: string | undefined): boolean {
    const name = hostOf(from);
    const own = [host, request.headers['x-forwarded-host'], hostOf(publicUrl)];
    return name !== undefined && own.includes(name);
  }
}

/** Whether the browser speaks TLS, to us or to the proxy before us: only then may a cookie insist on it. */
export function isOverTls(request: HeadersOnly, publicUrl: string | undefined): boolean {
  if (request.headers['x-forwarded-proto'] === 'https') return true;
  return (publicUrl?.startsWith('https:') ?? false) && request.headers.host === hostOf(publicUrl);
}
