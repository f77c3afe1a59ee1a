/** Detects requests that a browser sends on behalf of another site's page. */
import type { FastifyRequest } from 'fastify';

type HeadersOnly = Pick<FastifyRequest, 'headers'>;

const hostOf = (url: string | undefined): string | undefined =>
  url && URL.canParse(url) ? new URL(url).host : undefined;

/**
 * Whether the Origin is none of this server's hosts: Host, X-Forwarded-Host, or the host of PUBLIC_URL. A page cannot
 * set these headers without a CORS preflight, which is never granted. Without Origin, Sec-Fetch-Site and Referer are
 * used. A request without all three does not come from a browser.
 */
export function isCrossOrigin(request: HeadersOnly, publicUrl: string | undefined): boolean {
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

/** Whether the browser uses TLS, to this server or to the proxy in front of it. Only then may a cookie be `secure`. */
export function isOverTls(request: HeadersOnly, publicUrl: string | undefined): boolean {
  if (request.headers['x-forwarded-proto'] === 'https') return true;
  return (publicUrl?.startsWith('https:') ?? false) && request.headers.host === hostOf(publicUrl);
}
