/** Determines the address by which failed logins of a client are counted. */
import { isIPv4, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * Returns the client's address, or the address that a proxy of TRUSTED_PROXIES reports. IPv6 addresses are cut to their
 * /64 prefix, because providers assign at least a /64 to each customer.
 */
export function clientAddressOf(
  request: Pick<FastifyRequest, 'ip'> & { raw: FastifyRequest['raw'] },
): string {
  return rateLimitKeyOf(request.ip) ?? rateLimitKeyOf(request.raw.socket?.remoteAddress) ?? 'unknown';
}

/** Returns undefined for text that is not an address. Some proxies add a port, and link-local addresses have a zone. */
export function rateLimitKeyOf(text: string | undefined): string | undefined {
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(text ?? '')?.[1] ?? text ?? '';
  const bare = address.replace(/%.*$/, '');
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/i.exec(bare)?.[1];
  if (v4) return isIPv4(v4) ? v4 : undefined;
  if (!isIPv6(bare)) return undefined;
  const [head = '', tail] = bare.split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  // An address that ends in IPv4 notation (::1.2.3.4) has one part fewer than it has groups.
  const length = (part: string[]) => part.length + (part.at(-1)?.includes('.') ? 1 : 0);
  const [first, last] = [groups(head), groups(tail)];
  const zeros = tail === undefined ? 0 : 8 - length(first) - length(last);
  const all = [...first, ...Array<string>(Math.max(0, zeros)).fill('0'), ...last];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
